// Volumes of containers are out of reach of the machine's processes: real files, and a real process of another user.
import assert from 'node:assert/strict'
import {execFileSync, spawnSync} from 'node:child_process'
import {chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {type TestContext, test} from 'node:test'
import {findVolume, makeVolume, removeUnused} from '#agent/volumes.ts'

const nobody = {uid: 65_534, gid: 65_534}
const skip = process.getuid?.() === 0 ? false : 'needs root'
const owning = {formation: 'crm', service: '_db', volume: {path: '/data', id: 'first'}}

const home = (t: TestContext) => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-volumes-'))
  t.after(() => rmSync(folder, {recursive: true}))
  // As an agent whose instances are another user's makes it.
  chmodSync(folder, 0o711)
  const places = {process: join(folder, 'volumes'), docker: join(folder, 'container-volumes')}
  for (const place of Object.values(places)) mkdirSync(place, {mode: 0o700})
  return places
}

/** What root of a container can do to the folder that is mounted into it. */
const leaveProgram = (directory: string): string => {
  const program = join(directory, 'id')
  copyFileSync(execFileSync('sh', ['-c', 'command -v id'], {encoding: 'utf8'}).trim(), program)
  chmodSync(program, 0o4755)
  chmodSync(directory, 0o777)
  return program
}

const runAsNobody = (program: string) => spawnSync(program, ['-u'], {...nobody, cwd: '/', encoding: 'utf8'})

test('a set-user-ID program in a container’s volume can not be run by a process, which one in reach could', {skip}, async t => {
  const places = home(t)
  const own = await makeVolume(places, 'process', {...owning, service: '_cache'}, nobody)
  assert.ok(own)
  chmodSync(own.directory, 0o711)
  assert.equal(runAsNobody(leaveProgram(own.directory)).stdout, '0\n', 'such files work here')
  const made = await makeVolume(places, 'docker', owning)
  assert.ok(made)
  const tried = runAsNobody(leaveProgram(made.directory))
  assert.equal((tried.error as NodeJS.ErrnoException | undefined)?.code, 'EACCES')
})

test('a volume goes along when its service is run otherwise, without what a container’s root left to become root by', {skip}, async t => {
  const places = home(t)
  const container = await makeVolume(places, 'docker', owning)
  assert.ok(container)
  assert.equal(findVolume(places, owning), container.directory)
  writeFileSync(join(container.directory, 'rows'), 'Dune')
  const program = leaveProgram(container.directory)
  // So that it looks as if all of it were the user's.
  chownSync(container.directory, nobody.uid, nobody.gid)
  assert.equal(statSync(program).mode & 0o7777, 0o4755)
  const moved = await makeVolume(places, 'process', owning, nobody)
  assert.equal(moved?.directory, join(places.process, 'crm._db.first'))
  assert.ok(!existsSync(container.directory))
  const left = statSync(join(places.process, 'crm._db.first/id'))
  assert.deepEqual([left.uid, left.mode & 0o6000], [nobody.uid, 0])
  assert.equal(runAsNobody(join(places.process, 'crm._db.first/id')).stdout, `${nobody.uid}\n`)
  const back = await makeVolume(places, 'docker', owning)
  assert.equal(back?.directory, container.directory)
  assert.equal(statSync(join(container.directory, 'rows')).size, 4)
  await removeUnused(places, {formation: 'crm', service: '_db', volume: 'first'}, new Map())
  assert.equal(findVolume(places, owning), undefined)
})
