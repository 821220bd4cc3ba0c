/**
 * Offsets of IANA time zones from UTC, by arithmetic alone on nearly every call.
 *
 * Between two transitions (twice a year at most places) the offset is a constant. Temporal knows where the next transition
 * is, so one answer of it holds for months; Intl.DateTimeFormat would cost microseconds on every call. What is remembered is a pure
 * function of zone and instant: it changes speed, never an answer.
 */

export type ZoneOffset = {
  /** The zone's name in the letter case of the time zone database. */
  readonly timeZone: string
  /** Milliseconds to add to UTC at this instant (milliseconds since the epoch) to get local time. */
  offsetMsAt(instantMs: number): number
}

/** The database has about 600 names. More can only come from a defect, and then zones are built anew instead of kept. */
const ZONES_KEPT_MAX = 1000
const zonesByName = new Map<string, ZoneOffset>()

/**
 * The zone of that name in any letter case, or undefined. Fixed offsets such as `+01:00` are refused: they ignore daylight
 * saving, which is hardly ever what is meant, and PostgreSQL reads their sign the other way round. `Etc/GMT-1` says it explicitly.
 */
export function findZoneOffset(timeZone: string): ZoneOffset | undefined {
  const known = zonesByName.get(timeZone)
  if (known !== undefined) return known
  const name = canonicalZoneName(timeZone)
  if (name === undefined) return undefined
  const zone = zonesByName.get(name) ?? createZoneOffset(name)
  if (zonesByName.size < ZONES_KEPT_MAX) zonesByName.set(name, zone)
  return zone
}

function canonicalZoneName(timeZone: string): string | undefined {
  if (!/^[A-Za-z]/.test(timeZone)) return undefined
  try {
    return new Temporal.ZonedDateTime(0n, timeZone).timeZoneId
  } catch {
    return undefined
  }
}

function createZoneOffset(timeZone: string): ZoneOffset {
  let knownFromMs = 0
  let knownUntilMs = 0
  let knownOffsetMs = 0

  function offsetMsAt(instantMs: number): number {
    if (instantMs < knownFromMs || instantMs >= knownUntilMs) learn(Math.floor(instantMs))
    return knownOffsetMs
  }

  function learn(instantMs: number): void {
    const local = Temporal.Instant.fromEpochMilliseconds(instantMs).toZonedDateTimeISO(timeZone)
    knownFromMs = instantMs
    knownUntilMs = local.getTimeZoneTransition('next')?.epochMilliseconds ?? Number.POSITIVE_INFINITY
    knownOffsetMs = local.offsetNanoseconds / 1e6
  }

  return { timeZone, offsetMsAt }
}
