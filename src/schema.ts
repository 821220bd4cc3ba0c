import { builder } from './graphql/builder.ts'
import './actors/schema.ts'
import './graphql/connection.ts'
import './configs/schema.ts'
import './keys/credits-schema.ts'
import './keys/key-list-schema.ts'
import './keys/import-schema.ts'
import './keys/rotation-schema.ts'
import './keys/schema.ts'
import './openapi/schema.ts'
import './scopes/import-schema.ts'
import './scopes/schema.ts'
import './tenants/schema.ts'
import './users/account-schema.ts'
import './users/member-schema.ts'
import './users/schema.ts'

/** The GraphQL schema: each room adds its part to the builder when it is loaded. */
export const schema = builder.toSchema()
