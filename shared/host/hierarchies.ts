// Which cgroup hierarchies this process is in, and where its own cgroup is in each. Reads texts of /proc; writes nothing and tries nothing.

/** The controllers that bound an instance. */
export const controllerNames = ['memory', 'cpu', 'pids'] as const
export type Controller = (typeof controllerNames)[number]

export interface Hierarchy {
  readonly version: 1 | 2
  /** Of the cgroup that the process is in. */
  readonly directory: string
  /** What version 1 mounted it with; version 2 says it in `cgroup.controllers`. */
  readonly controllers: readonly string[]
}

interface Mount {
  readonly version: 1 | 2
  /** The cgroup that is mounted, which in a container is not the first. */
  readonly root: string
  readonly point: string
  readonly options: readonly string[]
}

const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

/** proc_pid_mountinfo(5): `id parent dev ROOT POINT options… - TYPE source SUPER-OPTIONS`. */
const mountOf = (line: string): Mount | undefined => {
  const [before = '', after = ''] = line.split(' - ')
  const [type, , superOptions = ''] = after.split(' ')
  const [, , , root, point] = before.split(' ')
  if ((type !== 'cgroup' && type !== 'cgroup2') || root === undefined || point === undefined) return undefined
  return {version: type === 'cgroup2' ? 2 : 1, root: unescaped(root), point: unescaped(point), options: superOptions.split(',')}
}

const below = ({root, point}: Mount, path: string): string => {
  const relative = root !== '/' && (path === root || path.startsWith(`${root}/`)) ? path.slice(root.length) : path
  // Of a cgroup outside what is mounted nothing can be said but where that begins.
  return relative === '/' || relative.startsWith('/..') ? point : `${point}${relative}`
}

/** proc_pid_cgroup(5): `id:controllers:path`, version 2 with no controllers. */
const hierarchyOf = (line: string, mounts: readonly Mount[]): Hierarchy | undefined => {
  const [, names = '', ...path] = line.split(':')
  if (path.length === 0) return undefined
  const controllers = names.split(',').filter(name => name !== '')
  const isIt = ({version, options}: Mount) =>
    names === '' ? version === 2 : version === 1 && controllers.every(name => options.includes(name))
  const mount = mounts.find(isIt)
  return mount === undefined ? undefined : {version: mount.version, directory: below(mount, path.join(':')), controllers}
}

/** The mounted hierarchies, given /proc/self/mountinfo and /proc/self/cgroup; version 2 first. */
export const findHierarchies = (mountinfo: string, cgroup: string): Hierarchy[] => {
  const mounts = mountinfo.split('\n').flatMap(line => mountOf(line) ?? [])
  const found = cgroup.split('\n').flatMap(line => hierarchyOf(line, mounts) ?? [])
  return found.sort((a, b) => b.version - a.version)
}
