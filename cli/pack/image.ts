// A Dockerfile → an image that executors can get: pushed to a registry, or saved as an archive for the artifact store.
import {mkdtemp, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {ImageBuild} from '#shared/manifest.ts'
import {CommandError} from '../exit.ts'
import type {Slug} from './archive.ts'
import type {BuildOptions} from './build.ts'
import {createDocker, type Docker} from './docker.ts'

/** `sha256:…` with its archive, or `repository@sha256:…` when it was pushed. */
export interface BuiltImage {
  readonly image: string
  readonly archive?: Slug
}

/** Pushed under a tag of its own, so that nobody's tag moves; what is deployed is the digest. */
const push = async (docker: Docker, id: string, repository: string): Promise<string> => {
  const tag = `${repository}:gilliam-${id.replace('sha256:', '').slice(0, 12)}`
  await docker.run(['tag', id, tag])
  await docker.show(['push', tag])
  const digests = JSON.parse(await docker.run(['image', 'inspect', '--format', '{{json .RepoDigests}}', tag])) as string[]
  const pinned = digests.find(digest => digest.startsWith(`${repository}@`))
  if (pinned === undefined) throw new CommandError('failed', `The registry of ${repository} gave no digest for what was pushed.`)
  return pinned
}

/** Builds in `root` and gives the image to `use`; its archive is gone afterwards. */
export const withImage = async <T>(
  root: string,
  {dockerfile, repository}: ImageBuild,
  options: BuildOptions,
  use: (image: BuiltImage) => Promise<T>,
): Promise<T> => {
  const docker = createDocker(root, options)
  const scratch = await mkdtemp(join(tmpdir(), 'gilliam-image-'))
  try {
    const idFile = join(scratch, 'id')
    await docker.show(['build', '--file', dockerfile, '--iidfile', idFile, '.'])
    const id = (await readFile(idFile, 'utf8')).trim()
    if (repository !== undefined) return await use({image: await push(docker, id, repository)})
    return await use({image: id, archive: await docker.save(id, join(scratch, 'image.tar.gz'))})
  } finally {
    await rm(scratch, {recursive: true, force: true})
  }
}
