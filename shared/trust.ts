// Whom a stage believes without a secret of its own: providers of identity as data, and whether the claims of an id token are those that a trust asks for.
// Knows no keys and no signatures. Pure.

/** How long a token lasts that was given for an id token, in seconds: of machines, and of people who logged in. */
export const exchangedTtlSecondsMax = 3_600
export const loginTtlSecondsMax = 12 * 3_600
export const exchangedTtlSecondsDefault = 900

/** What the id tokens of a provider look like. */
export interface TrustShape {
  readonly issuer: string
  /** Claims that the parts of a project’s name bind: all of it, or one each, split at the slash. */
  readonly project: readonly string[]
  /** The claim of a branch, what its name has in front there, and what else goes with it. */
  readonly branch: {readonly claim: string; readonly prefix: string; readonly also?: Readonly<Record<string, string>>}
  readonly environment?: string
  /** The issuer is everybody’s: a trust binds at least one of these. */
  readonly tenant: readonly string[]
}

/**
 * GitHub: docs.github.com, “OpenID Connect reference”. GitLab: docs.gitlab.com, “OpenID Connect (OIDC) authentication using ID tokens”. Buildkite:
 * buildkite.com/docs, “OIDC in Buildkite Pipelines”.
 */
export const trustShapes = {
  github: {
    issuer: 'https://token.actions.githubusercontent.com',
    project: ['repository'],
    branch: {claim: 'ref', prefix: 'refs/heads/'},
    environment: 'environment',
    tenant: ['repository', 'repository_id', 'sub'],
  },
  gitlab: {
    issuer: 'https://gitlab.com',
    project: ['project_path'],
    branch: {claim: 'ref', prefix: '', also: {ref_type: 'branch'}},
    environment: 'environment',
    tenant: ['project_path', 'project_id', 'sub'],
  },
  buildkite: {
    issuer: 'https://agent.buildkite.com',
    project: ['organization_slug', 'pipeline_slug'],
    branch: {claim: 'build_branch', prefix: ''},
    tenant: ['organization_slug', 'organization_id', 'sub'],
  },
} as const satisfies Record<string, TrustShape>
export type TrustProvider = keyof typeof trustShapes

/** The claims that name a project, and optionally a branch and an environment; undefined when the project is not of the provider’s form. */
export const claimsOf = (
  provider: TrustProvider,
  {project, branch, environment}: {readonly project: string; readonly branch?: string; readonly environment?: string},
): Record<string, string> | undefined => {
  const shape: TrustShape = trustShapes[provider]
  const parts = shape.project.length === 1 ? [project] : project.split('/')
  if (parts.length !== shape.project.length || parts.includes('') || !project.includes('/')) return undefined
  if (environment !== undefined && shape.environment === undefined) return undefined
  return {
    ...Object.fromEntries(shape.project.map((claim, at) => [claim, parts[at] as string])),
    ...(branch !== undefined && {[shape.branch.claim]: `${shape.branch.prefix}${branch}`, ...shape.branch.also}),
    ...(environment !== undefined && shape.environment !== undefined && {[shape.environment]: environment}),
  }
}

/** Claims of which a trust in this issuer must bind one; undefined when the issuer is nobody we know. */
export const tenantClaims = (issuer: string): readonly string[] | undefined =>
  Object.values<TrustShape>(trustShapes).find(shape => shape.issuer === issuer)?.tenant

const fits = (wanted: string, value: unknown): boolean => {
  if (Array.isArray(value)) return value.some(each => !Array.isArray(each) && fits(wanted, each))
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return false
  const text = String(value)
  return wanted.endsWith('*') ? text.startsWith(wanted.slice(0, -1)) : text === wanted
}

/**
 * Whether an id token has every claim that is asked for: the same text, one of a list, or with `*` at its end anything that begins so. An address counts
 * only when its provider says it is verified (OpenID Connect Core 1.0 §5.7).
 */
export const claimsFit = (wanted: Readonly<Record<string, string>>, claims: Readonly<Record<string, unknown>>): boolean =>
  Object.entries(wanted).every(([name, value]) => Object.hasOwn(claims, name) && fits(value, claims[name])) &&
  (wanted.email === undefined || claims.email_verified === true)
