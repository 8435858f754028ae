// Folders of static files: served by sirv, which the build puts beside them.
import type {Detected, ProjectFiles} from './project-files.ts'

const folders = ['.', 'public', 'dist', 'build', '_site', 'site'] as const
const server = {package: 'sirv-cli@3.0.1', folder: '.gilliam-static', program: 'node_modules/sirv-cli/bin.js'} as const

export const detectStatic = async (files: ProjectFiles): Promise<Detected | undefined> => {
  for (const folder of folders) {
    const index = folder === '.' ? 'index.html' : `${folder}/index.html`
    if (!(await files.has(index))) continue
    return {
      what: 'static files',
      because: `${index} is there`,
      build: `npm install --silent --no-audit --no-fund --prefix ${server.folder} ${server.package}`,
      script: `exec node ${server.folder}/${server.program} ${folder} --host "$HOST" --port "$PORT" --quiet`,
    }
  }
  return undefined
}
