// What a manifest builds, and which processes it leaves to the project's files.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import {leavesRunToProject, parseManifest} from '#shared/manifest.ts'
import {parse, problems} from './parsed.ts'

describe('a manifest that builds', () => {
  it('tells a Dockerfile from a build command', () => {
    const files = ['Dockerfile', 'deploy/Dockerfile.web', 'web.Dockerfile', 'a/b/Containerfile']
    for (const file of files) {
      const {builds, images, services} = parse(`processes: {a: {build: ${file}}}`)
      assert.deepEqual([builds, images, services.a?.script], [[], {a: {dockerfile: file}}, undefined])
    }
    assert.deepEqual(parse('processes: {a: {build: Dockerfile, image: r.example.com:5000/a}}').images, {
      a: {dockerfile: 'Dockerfile', repository: 'r.example.com:5000/a'},
    })
    for (const command of ['make Dockerfile', './Dockerfile; rm', 'Dockerfile && x', '$(Dockerfile)'])
      assert.deepEqual(parse(`processes: {a: {script: x, build: '${command}'}}`).builds, [command])
  })

  it('refuses a Dockerfile beside a script, and to push to a tag or digest', () => {
    assert.match(
      problems('processes:\n  a: {script: x, build: Dockerfile}')[0] ?? '',
      /^gilliam\.yml:2:15: process “a”: has a `script`, and/,
    )
    for (const image of ['r/a:1', 'r:5000/a:1', 'r/a@sha256:00'])
      assert.match(problems(`processes:\n  a: {image: '${image}', build: Dockerfile}`)[0] ?? '', /a repository without tag and digest/)
  })

  it('leaves to the project’s files how processes are run that do not say it', () => {
    const text = 'processes: {a: {ports: [80]}, b: {script: y}}'
    assert.equal(leavesRunToProject(text), true)
    const parsed = parseManifest(text, {script: 'x', build: 'make'})
    assert.ok(parsed.ok)
    assert.deepEqual([parsed.manifest.services.a?.script, parsed.manifest.services.b?.script, parsed.manifest.builds], ['x', 'y', ['make']])
    assert.match(problems(text)[0] ?? '', /process “a”: needs `script`/)
    for (const other of ['processes: {a: {build: Dockerfile}}', 'processes: {a: {image: x}}', 'auxiliary: {a: {}}', '[', 'processes: 3'])
      assert.equal(leavesRunToProject(other), false)
  })
})
