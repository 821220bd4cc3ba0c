import { GraphQLError, GraphQLScalarType, type ValueNode } from 'graphql'
import {
  DateTimeResolver,
  EmailAddressResolver,
  JSONResolver,
  LocalTimeResolver,
  SafeIntResolver,
  TimeZoneResolver,
  URLResolver,
} from 'graphql-scalars'

/**
 * A scalar that hands values of its own primitive type alone to the library, and refuses in words of ours.
 *
 * The library writes what it refuses into its message. An object that has a `toString` of its own, or a list in lists in
 * lists, cannot be written: anybody who sends one would be told that we have failed.
 */
function guard<Internal, External>(
  scalar: GraphQLScalarType<Internal, External>,
  primitive: 'string' | 'number',
  expected: string,
): GraphQLScalarType<Internal, External> {
  const config = scalar.toConfig()
  const refuse = (nodes?: ValueNode) => new GraphQLError(`Expected ${expected}.`, nodes && { nodes })
  return new GraphQLScalarType<Internal, External>({
    ...config,
    parseValue(value) {
      if (typeof value !== primitive) throw refuse()
      try {
        return config.parseValue(value)
      } catch {
        throw refuse()
      }
    },
    parseLiteral(node, variables) {
      try {
        return config.parseLiteral(node, variables)
      } catch {
        throw refuse(node)
      }
    },
  })
}

/** All scalars beyond those of GraphQL itself. `JSON` refuses nothing: what it holds is bounded where it is used. */
export const SCALARS = {
  DateTime: guard(DateTimeResolver, 'string', 'an RFC 3339 date-time as a string, such as "2026-01-31T12:00:00.000Z"'),
  EmailAddress: guard(EmailAddressResolver, 'string', 'an e-mail address as a string'),
  JSON: JSONResolver,
  LocalTime: guard(LocalTimeResolver, 'string', 'a time as a string, such as "09:30" or "23:59:59"'),
  SafeInt: guard(SafeIntResolver, 'number', 'a whole number from -(2^53 - 1) to 2^53 - 1'),
  TimeZone: guard(TimeZoneResolver, 'string', 'an IANA time zone as a string, such as "Europe/Berlin"'),
  URL: guard(URLResolver, 'string', 'an absolute URL as a string'),
} as const
