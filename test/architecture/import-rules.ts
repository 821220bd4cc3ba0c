import { cruise, type ICruiseOptions, type IFlattenedRuleSet } from 'dependency-cruiser'

/** Rules without IO, clock or randomness, which every room may use. */
const PURE_RULE_FILES = [
  '^src/keys/(token|environment|key-(status|rules|expiry)|secret-state|import-rules|rotation-rules|rotation-policy|notice-schedule|credit-(rules|balance)|signing-secret)\\.ts$',
  '^src/scopes/scope-(name|set|query)\\.ts$',
  '^src/configs/((effective|normalize|validate|stored|system)-config|(apply|plan)-config-change)\\.ts$',
  '^src/verify/(access|limits)/',
  '^src/users/(login-limits|token-link|(password|account)-rules)\\.ts$',
  '^src/leaks/(leak-response|parse-leak-report|report-(keys|signature))\\.ts$',
  '^src/public-id\\.ts$',
  '^src/commands/bulk-result\\.ts$',
]

/** Of what comes with Node, the part that computes and nothing else, as far as rules use it. */
const PURE_MODULES = '^(crypto|util|zlib)$'

/** Files that say what GraphQL shows. */
const SCHEMA_FILES = ['(/|-)schema\\.ts$', '^src/keys/key-type\\.ts$', '^src/configs/(effective-)?config-types\\.ts$']

/** Who may import whom. Each rule says why; the check proves on planted violations that it can fail. */
export const IMPORT_RULES: IFlattenedRuleSet = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one file, or hide a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'lib-stands-alone',
      comment: 'lib knows no product word.',
      severity: 'error',
      from: { path: '^src/lib/' },
      to: { path: '^src/', pathNot: '^src/lib/' },
    },
    {
      name: 'pure-rules-do-no-io',
      comment:
        'Rules decide; what they decide on is handed to them. Packages are refused too: nobody knows what they do.',
      severity: 'error',
      from: { path: PURE_RULE_FILES },
      to: { pathNot: ['^src/(lib|errors)/', PURE_MODULES, ...PURE_RULE_FILES] },
    },
    {
      name: 'verify-needs-ports',
      comment: 'The hot path touches no database client, no GraphQL and no store; app.ts wires its ports.',
      severity: 'error',
      from: { path: '^src/verify/' },
      to: { path: '^src/', pathNot: ['^src/(verify|lib|errors|http)/', ...PURE_RULE_FILES] },
    },
    {
      name: 'verify-needs-few-packages',
      comment: 'A package on the hot path is a cost that everybody pays on every request.',
      severity: 'error',
      from: { path: '^src/verify/' },
      to: { path: 'node_modules/' },
    },
    {
      name: 'http-knows-no-rooms',
      comment: 'The HTTP room serves any room.',
      severity: 'error',
      from: { path: '^src/http/' },
      to: { path: '^src/', pathNot: '^src/(http|lib|errors)/' },
    },
    {
      name: 'db-knows-no-rooms',
      comment: 'The database room serves any room.',
      severity: 'error',
      from: { path: '^src/db/' },
      to: { path: '^src/', pathNot: '^src/(db|lib|errors|generated)/' },
    },
    {
      name: 'schema-does-not-write',
      comment: 'A schema reads through scoped finders and writes through commands.',
      severity: 'error',
      from: { path: SCHEMA_FILES },
      to: { path: '(-store|/outbox|/transaction)\\.ts$' },
    },
    {
      name: 'nobody-imports-the-top',
      comment: 'app.ts and main.ts put everything together; what needs them would need everything.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/main\\.ts$' },
      to: { path: '^src/(app|main)\\.ts$' },
    },
  ],
}

export interface ImportReport {
  readonly moduleCount: number
  /** One line each: rule, importer, imported. */
  readonly violations: readonly string[]
}

/** Reads the imports below a folder, types included, and holds them against the rules. */
export async function checkImports(baseDir: string): Promise<ImportReport> {
  const options: ICruiseOptions = {
    baseDir,
    ruleSet: IMPORT_RULES,
    validate: true,
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: ['node_modules', '^src/generated'] },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node'],
    },
  }
  const { output } = await cruise(['src'], options)
  if (typeof output === 'string') throw new Error('The report came as text.')
  const { summary, modules } = output
  return {
    moduleCount: modules.filter(({ source }) => source.startsWith('src/')).length,
    violations: summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`),
  }
}
