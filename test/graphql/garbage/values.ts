import type { Random } from './random.ts'

const ODD_TEXTS = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\u0001\u001f\u007f\u0085',
  '\r\nX-Injected: 1',
  '\ud800',
  'a\udc00b',
  '\ufeff',
  '\u202e\u2066',
  '\u200b',
  '\uffff\ufffe',
  '🤦🏽‍♂️',
  'é'.normalize('NFD'),
  '\u{10ffff}',
  '%00',
  '%s%n%p',
  '../../../etc/passwd',
  "' OR 1=1 --",
  "'; DROP TABLE api_keys; --",
  '{{7*7}}',
  '<script>alert(1)</script>',
  '__proto__',
  'constructor',
  'toString',
  'null',
  'undefined',
  'NaN',
  '-0',
  '1e999',
  '0x10',
  'true',
  '[]',
  '{}',
  'key_',
  'key_00000000000000000000000000000000',
  'tnt_ffffffffffffffffffffffffffffffff',
  'KEY_00000000000000000000000000000000',
  '00000000-0000-0000-0000-000000000000',
  'acme_live_00000000000000000000000000000000000000',
  'acme_live_',
  'kw_live_\u0000',
  'a'.repeat(300),
  'k'.repeat(10_240),
  '漢'.repeat(4000),
  'WyIyMDI2LTAzLTA0VDA1OjA2OjA3Ljg5MFoiLCIwMTg5MDAwMC0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMDAiXQ',
  '2026-02-30T00:00:00Z',
  '9999-12-31T23:59:59.999-23:59',
  'Europe/Atlantis',
  'nobody@example.com',
  'a@b',
]

const ODD_NUMBERS = [0, -0, -1, 1, 1.5, -1.5, 101, 2 ** 31 - 1, 2 ** 31, -(2 ** 31) - 1, 2 ** 53, 1e21, 1e308, 5e-324]

/** A value of any kind that JSON can hold. */
export function anyValue(random: Random, depth = 3): unknown {
  const kinds = depth > 0 ? 8 : 5
  switch (random.below(kinds)) {
    case 0:
      return null
    case 1:
      return random.chance(0.5)
    case 2:
      return random.pick(ODD_NUMBERS)
    case 3:
      return anyText(random)
    case 4:
      return anyCharacters(random)
    case 5:
      return Array.from({ length: random.below(5) }, () => anyValue(random, depth - 1))
    case 6:
      return Object.fromEntries(
        Array.from({ length: random.below(4) }, () => [anyText(random).slice(0, 50), anyValue(random, depth - 1)]),
      )
    default:
      return nestedList(random.pick([10, 100, 1000]))
  }
}

export function anyText(random: Random): string {
  return random.pick(ODD_TEXTS)
}

function anyCharacters(random: Random): string {
  const units = Array.from({ length: random.below(40) }, () => random.below(random.pick([0x80, 0x800, 0x10000])))
  return String.fromCharCode(...units)
}

function nestedList(levels: number): unknown {
  let value: unknown = []
  for (let level = 0; level < levels; level++) value = [value]
  return value
}

/** A text with a few characters taken away, doubled, exchanged or put in. */
export function mutate(random: Random, text: string): string {
  let mutated = text
  for (let count = 1 + random.below(4); count > 0; count--) {
    const at = random.below(mutated.length + 1)
    const end = at + 1 + random.below(6)
    const put = random.pick([
      '',
      '{',
      '}',
      '[',
      ']',
      '(',
      ')',
      '"',
      '\\',
      ',',
      ':',
      '$',
      '!',
      '...',
      '@x',
      '#',
      '\u0000',
      '\ud800',
      '9',
    ])
    mutated = mutated.slice(0, at) + (random.chance(0.3) ? mutated.slice(at, end).repeat(2) : put) + mutated.slice(end)
  }
  return mutated
}

/** A deep copy in which one value, somewhere, is another one, missing, or has a companion that nobody knows. */
export function spoil(random: Random, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || random.chance(0.2)) return anyValue(random)
  if (Array.isArray(value)) return value.length === 0 ? [anyValue(random)] : value.map((item) => spoil(random, item))
  const entries = Object.entries(value)
  if (entries.length === 0 || random.chance(0.15)) {
    return Object.fromEntries([...entries, [anyText(random).slice(0, 40) || 'x', anyValue(random)]])
  }
  const [name] = random.pick(entries)
  if (random.chance(0.15)) return Object.fromEntries(entries.filter(([other]) => other !== name))
  return Object.fromEntries(entries.map(([other, below]) => [other, other === name ? spoil(random, below) : below]))
}
