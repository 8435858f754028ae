// The Docker runtime: the contract of all runtimes, over a real engine, with scripts in a stack image.
import {after} from 'node:test'
import {runtimeContract} from '#test/agent/runtime-contract.ts'
import {engineMissing, useEngine} from './engine.ts'
import {runtimeOn} from './fixtures.ts'

const missing = engineMissing()
if (missing === false) {
  const engine = useEngine()
  const {create, closeAll} = runtimeOn(engine)
  runtimeContract('docker', () => {
    const runtime = create()
    return {
      find: runtime.find,
      start: ({command, ...spec}) =>
        runtime.start({
          ...spec,
          image: {id: engine.stackId, user: '', stopSignal: 'SIGTERM'},
          project: {script: command},
          ports: {},
          labels: {},
        }),
    }
  })
  after(closeAll)
}
