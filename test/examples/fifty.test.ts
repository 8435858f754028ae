// examples/fifty: the shape of the generated graph, and a chain of real processes through the stand-in proxy.
import assert from 'node:assert/strict'
import {execFileSync} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {describe, it} from 'node:test'
import {fileURLToPath} from 'node:url'
import fc from 'fast-check'
import {parse} from 'yaml'
import {callGraph, type Node, servicesMax, tiersMax} from '../../examples/fifty/graph.ts'
import {freePort, has, type Program, start, startProxy, stop} from './neighbours.ts'

const folder = fileURLToPath(new URL('../../examples/fifty', import.meta.url))

interface Process {
  readonly script: string
  readonly env: {readonly CALLS: string}
  readonly scale: number
}

const generate = (...flags: string[]): Record<string, Process> => {
  const target = mkdtempSync(join(tmpdir(), 'fifty-'))
  try {
    execFileSync(process.execPath, [join(folder, 'generate.ts'), target, ...flags])
    return (parse(readFileSync(join(target, 'gilliam.yml'), 'utf8')) as {processes: Record<string, Process>}).processes
  } finally {
    rmSync(target, {recursive: true})
  }
}

describe('fifty: the graph', () => {
  it('crosses ten tiers from every service of the first, whatever the size', () => {
    const sizes = fc.integer({min: tiersMax, max: servicesMax})
    fc.assert(
      fc.property(sizes, fc.nat(500), fc.infiniteStream(fc.nat(1)), (services, more, picks) => {
        const nodes = callGraph(services, services + more)
        const byName = new Map(nodes.map(node => [node.name, node]))
        assert.equal(byName.size, services)
        assert.equal(
          nodes.reduce((sum, node) => sum + node.instances, 0),
          services + more,
        )
        let crossed = 1
        let node = nodes[0] as Node
        while (node.calls.length > 0) {
          node = byName.get(node.calls[(picks.next().value as number) % node.calls.length] as string) as Node
          crossed += 1
        }
        assert.equal(crossed, tiersMax)
      }),
    )
  })

  it('lets every service but those of the first tier be called', () => {
    const nodes = callGraph(50, 100)
    const called = new Set(nodes.flatMap(node => node.calls))
    assert.deepEqual(
      nodes.filter(node => !called.has(node.name)).map(node => node.name),
      ['a1', 'a2', 'a3', 'a4', 'a5'],
    )
  })

  it('writes a manifest of fifty services and a hundred instances', () => {
    const processes = Object.values(generate())
    assert.equal(processes.length, 50)
    assert.equal(
      processes.reduce((sum, {scale}) => sum + scale, 0),
      100,
    )
  })

  it('refuses fewer instances than services', () => {
    assert.throws(() => generate('--services', '5', '--instances', '4'), /--instances must be a whole number from 5/)
  })
})

describe('fifty: the services', {skip: has('python3') ? false : 'python3 is not on this machine'}, () => {
  it('answer /chain with everybody who took part, and end with exit code 0', async () => {
    const ports = new Map<string, number>()
    const proxy = await startProxy(ports)
    const startOne = async ([service, {script, env}]: [string, Process]): Promise<Program> => {
      const program = await start(script, folder, await freePort(), {
        ...env,
        HTTP_PROXY: proxy.url,
        GILLIAM_SERVICE: service,
        GILLIAM_INSTANCE: 'one',
      })
      ports.set(`${service}.fifty.service`, program.port)
      return program
    }
    const programs = await Promise.all(Object.entries(generate('--services', '4', '--instances', '4')).map(startOne))
    try {
      const url = `http://127.0.0.1:${ports.get('a1.fifty.service')}/chain`
      assert.equal(await (await fetch(url)).text(), 'a1.one\nb1.one\nc1.one\nd1.one\n')
      assert.equal(await stop(programs[2] as Program), 0)
      const broken = await fetch(url)
      assert.equal(broken.status, 502)
      assert.match(await broken.text(), /^a1\.one\n/)
    } finally {
      await Promise.all(programs.map(stop))
      proxy.close()
    }
  })
})
