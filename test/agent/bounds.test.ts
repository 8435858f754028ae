// An agent that holds its instances to their bounds and runs them as a user of their own: agents as processes of their own, what the control plane is told.
import assert from 'node:assert/strict'
import {existsSync, lstatSync, readdirSync, readFileSync, statSync} from 'node:fs'
import {join} from 'node:path'
import {test} from 'node:test'
import {readSettings} from '#agent/settings.ts'
import {findHierarchies} from '#shared/host/hierarchies.ts'
import {cgroupsHere, lacking} from './cgroups-here.ts'
import {assignment, machine, processesOf, slugOf} from './fixtures.ts'

const nobody = {uid: 65_534, gid: 65_534}
const skipUnlessRoot = process.getuid?.() === 0 ? false : 'needs root'

test('tells users that memory ran out, and the control plane what this machine enforces', {
  skip: lacking(cgroupsHere('bounds')),
}, async t => {
  const {plane, start} = await machine(t)
  await start()
  assert.equal((plane.joins[0] as {labels: Record<string, string>}).labels.limits, 'memory pids files')
  const script = 'exec node -e "const all = []; for (;;) all.push(Buffer.alloc(1e6, 1))"'
  plane.assign(assignment('hungry', {script}))
  const report = await plane.reported('hungry', ({reason}) => reason !== undefined)
  assert.match(report.reason ?? '', /^out of memory \(64 MiB\): exit code 137 \(signal 9\); starting again in 0.5 s$/)
})

test('an instance outlives its agent in its cgroup; the next agent stops it with all that it started, and removes the cgroup', {
  skip: lacking(cgroupsHere('bounds')),
}, async t => {
  const {plane, start, end, home} = await machine(t)
  await start()
  const script = '(cd / && env -i setsid sleep 1000 <&- >&- 2>&- &) ; exec sleep 1000'
  plane.assign(assignment('left', {script, ports: []}))
  await plane.reported('left', ({state}) => state === 'running')
  await end('SIGKILL')
  const control = join(home, 'instances/crm.users.left/control')
  const [note = ''] = readdirSync(control).filter(name => name.startsWith('cgroup.'))
  const directories = readFileSync(join(control, note), 'utf8').trim().split('\n')
  const members = () =>
    directories.flatMap(each => (existsSync(each) ? readFileSync(join(each, 'cgroup.procs'), 'utf8').split('\n') : [])).filter(Boolean)
  assert.equal(new Set(members()).size, 3)
  await start()
  plane.assign()
  await plane.reported('left', ({state}) => state === 'stopped')
  assert.deepEqual(directories.filter(existsSync), [])
})

test('runs instances as the user that is asked for, to whom the agent’s own files say nothing', {skip: skipUnlessRoot}, async t => {
  const {plane, home, start} = await machine(t)
  const {blob, slug} = await slugOf({'hello.txt': 'hello\n'})
  plane.slugs.set(slug.sha256, blob)
  await start({GILLIAM_RUN_AS: `${nobody.uid}:${nobody.gid}`})
  const look = `id -u; id -g; id -G; cat hello.txt; echo written > mine; touch "$HOME/too"; for file in credential.json key state.json slugs instances lock; do ls ${home}/$file >/dev/null 2>&1 && test -r ${home}/$file && echo "reads $file"; done; ls ..; echo 7 > ../control/exit.2 && echo forged; exec sleep 1000`
  plane.assign(assignment('own', {script: look, slug}))
  await plane.reported('own', ({state}) => state === 'running')
  const directory = join(home, 'instances/crm.users.own')
  assert.equal(readFileSync(join(directory, 'out.log'), 'utf8'), '65534\n65534\n65534\nhello\n')
  for (const name of ['run', 'run/hello.txt', 'run/mine', 'run/too']) assert.equal(statSync(join(directory, name)).uid, nobody.uid, name)
  assert.deepEqual(
    readdirSync(join(directory, 'control')).filter(name => lstatSync(join(directory, 'control', name)).uid === nobody.uid),
    [],
  )
  assert.equal(processesOf('own').length, 2)
  plane.assign()
  await plane.reported('own', ({state}) => state === 'stopped')
  assert.deepEqual(processesOf('own'), [])
})

test('refuses settings that it can not follow, by name', async () => {
  const given = {GILLIAM_EXECUTOR: 'here', GILLIAM_API: 'http://127.0.0.1:1', GILLIAM_AGENT_HOME: '/nowhere'}
  const settings = (change: Record<string, string>) => readSettings({...given, ...change}, process.execPath)
  await assert.rejects(settings({GILLIAM_LIMITS: 'memory,disk'}), /GILLIAM_LIMITS may name memory, pids, files, cpu/)
  for (const text of ['nobody', '0:0', '1', '-1:1'])
    await assert.rejects(settings({GILLIAM_RUN_AS: text}), /GILLIAM_RUN_AS must be UID:GID/)
  assert.deepEqual((await settings({GILLIAM_RUN_AS: '1000:100'})).owner, {uid: 1_000, gid: 100})
  assert.deepEqual([...(await settings({GILLIAM_LIMITS: 'pids, cpu'})).limits], ['pids', 'cpu'])
})

test('knows where its cgroup is, in version 1, 2, both, and in a container', () => {
  const mounts = [
    '1 0 0:1 / / rw - ext4 /dev/vda rw',
    '30 1 0:26 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory',
    '31 1 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct',
    '32 1 0:28 / /sys/fs/cgroup/un\\040ified rw - cgroup2 cgroup2 rw',
  ]
  const cgroup = '9:memory:/a/b\n8:cpu,cpuacct:/\n7:pids:/nowhere\n0::/c\n'
  assert.deepEqual(findHierarchies(mounts.join('\n'), cgroup), [
    {version: 2, directory: '/sys/fs/cgroup/un ified/c', controllers: []},
    {version: 1, directory: '/sys/fs/cgroup/memory/a/b', controllers: ['memory']},
    {version: 1, directory: '/sys/fs/cgroup/cpu,cpuacct', controllers: ['cpu', 'cpuacct']},
  ])
  const inside = '30 1 0:26 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n'
  assert.deepEqual(findHierarchies(inside, '0::/docker/1/x\n'), [{version: 2, directory: '/sys/fs/cgroup/x', controllers: []}])
  assert.deepEqual(findHierarchies(inside, '0::/../other\n'), [{version: 2, directory: '/sys/fs/cgroup', controllers: []}])
  assert.deepEqual(findHierarchies('', ''), [])
})
