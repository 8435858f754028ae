// `gilliam deploy`: packs the project, uploads it, makes a release of the manifest, and rolls it out.
import type {Command} from 'commander'
import type {Client} from '#shared/client.ts'
import {closest} from '#shared/domain/closest.ts'
import type {ServiceDefinition, SlugReference} from '#shared/domain/release.ts'
import {GilliamError} from '#shared/errors.ts'
import type {ImageBuild, Manifest} from '#shared/manifest.ts'
import {defaultAuthor} from '../author.ts'
import {CommandError} from '../exit.ts'
import {readManifest, remember} from '../project.ts'
import {size} from '../render.ts'
import {type Release, rollOut} from '../rollout.ts'
import {syncRoutes} from '../routes.ts'
import type {Session, World} from '../session.ts'
import {stageTypeOf} from '../types/stage.ts'
import {act, counts, verb} from '../verb.ts'

interface DeployOptions {
  readonly message?: string
  readonly author?: string
  /** Absent, `--scale` alone, `--scale svc=n…`, `--no-scale`. */
  readonly scale?: boolean | readonly string[]
}

const scaleOf = ({scale}: DeployOptions, manifest: Manifest): Record<string, number> | undefined => {
  if (typeof scale !== 'object') return undefined
  const wanted = counts(scale)
  for (const name of Object.keys(wanted)) {
    if (Object.hasOwn(manifest.services, name)) continue
    const near = closest(name, Object.keys(manifest.services))
    throw new CommandError('usage', `The manifest has no service “${name}”.${near === undefined ? '' : ` Did you mean “${near}”?`}`)
  }
  return wanted
}

const exists = async (client: Client, formation: string): Promise<boolean> => {
  try {
    await client.call('getFormation', {params: {formation}})
    return true
  } catch (error) {
    if (error instanceof GilliamError && error.code === 'not_found') return false
    throw error
  }
}

const create = async (session: Session, client: Client, formation: string): Promise<void> => {
  await client.call('createFormation', {body: {name: formation}})
  const {name: stage} = await session.stage()
  await remember(await session.project(), {formation, stage})
  session.progress.say(`Created formation ${formation} on stage ${stage}.`)
}

const packAndUpload = async (session: Session, client: Client, manifest: Manifest): Promise<SlugReference | undefined> => {
  if (Object.values(manifest.services).every(({script, bare}) => script === undefined || bare === true)) return undefined
  const [{withSlug}, {upload}] = await Promise.all([import('../pack/pack.ts'), import('../pack/upload.ts')])
  const {say} = session.progress
  const options = {builds: manifest.builds, say, env: session.env, err: session.err, interrupted: session.interrupted}
  return withSlug((await session.project()).dir, options, async slug => {
    say(`Packed ${slug.files} ${slug.files === 1 ? 'file' : 'files'}, ${size(slug.bytes)} (sha256 ${slug.sha256.slice(0, 12)}).`)
    return upload(client, slug, session.interrupted, say)
  })
}

/** The services with the images that were built for them, each built once however many run it. */
const withBuiltImages = async (session: Session, client: Client, {images, services}: Manifest): Promise<Manifest['services']> => {
  if (Object.keys(images).length === 0) return services
  const [{withImage}, {upload}] = await Promise.all([import('../pack/image.ts'), import('../pack/upload.ts')])
  const {say} = session.progress
  const {dir} = await session.project()
  const options = {env: session.env, err: session.err, interrupted: session.interrupted}
  const built = new Map<string, Partial<ServiceDefinition>>()
  const build = ({dockerfile, repository}: ImageBuild): Promise<Partial<ServiceDefinition>> => {
    say(`Building the image of ${dockerfile}.`)
    return withImage(dir, {dockerfile, ...(repository === undefined ? {} : {repository})}, options, async ({image, archive}) => {
      say(archive === undefined ? `Pushed ${image}.` : `Built ${image.slice(0, 19)}, ${size(archive.bytes)} when packed.`)
      return archive === undefined ? {image} : {image, imageArchive: await upload(client, archive, session.interrupted, say)}
    })
  }
  for (const image of Object.values(images)) {
    const key = JSON.stringify(image)
    if (!built.has(key)) built.set(key, await build(image))
  }
  const complete = Object.entries(services).map(([name, service]) => {
    const image = images[name]
    return [name, image === undefined ? service : {...service, ...built.get(JSON.stringify(image))}] as const
  })
  return Object.fromEntries(complete)
}

const release = async (session: Session, client: Client, manifest: Manifest, options: DeployOptions): Promise<Release> => {
  const formation = await session.formation()
  // Asked before the work, so that a stage that does not answer is told at once; made after it, so that a build that fails leaves nothing.
  const isThere = await exists(client, formation)
  const slug = await packAndUpload(session, client, manifest)
  const services = await withBuiltImages(session, client, manifest)
  if (!isThere) await create(session, client, formation)
  const author = options.author ?? (await defaultAuthor(session.cwd))
  const made = await client.call('createRelease', {
    params: {formation},
    body: {
      ...(options.message === undefined ? {} : {message: options.message}),
      ...(author === undefined ? {} : {author}),
      ...(slug === undefined ? {} : {slug}),
      env: manifest.env,
      services: services as Release['services'],
    },
  })
  session.progress.say(`Created release ${made.release} of ${formation}.`)
  return made
}

const deploy = async (session: Session, options: DeployOptions): Promise<void> => {
  const manifest = await readManifest(await session.project(), session.progress.say, {
    env: session.env,
    interrupted: session.interrupted,
    stageType: stageTypeOf(session),
  })
  const scale = scaleOf(options, manifest)
  const client = await session.client()
  const made = await release(session, client, manifest, options)
  await syncRoutes(client, made.formation, manifest.routes, session.progress.say)
  if (options.scale !== false) await rollOut(session, made, scale)
  session.print(`release ${made.release}\n`, made)
}

export const addDeploy = (program: Command, world: World): void => {
  verb(program, 'deploy', 'Release the project and start it')
    .option('-m, --message <text>', 'what changed')
    .option('--author <name>', 'who changed it; git’s user by default')
    .option('--scale [service=count...]', 'instances to run; by default as many as now, else what gilliam.yml says')
    .option('--no-scale', 'only create the release')
    .action(act<DeployOptions>(world, (session, _, options) => deploy(session, options)))
}
