// Writes a project of many small services: `node examples/fifty/generate.ts DIR [--services 50] [--instances 100] [--formation fifty]`.
import {copyFileSync, mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {parseArgs} from 'node:util'
import {callGraph, manifestOf, servicesMax} from './graph.ts'

const usage = `usage: node examples/fifty/generate.ts DIR [--services 1-${servicesMax}] [--instances N] [--formation NAME]`

const fail = (why: string): never => {
  console.error(`${why}\n${usage}`)
  process.exit(2)
}

const whole = (name: string, text: string, min: number, max: number): number => {
  const value = Number(text)
  return Number.isInteger(value) && value >= min && value <= max
    ? value
    : fail(`--${name} must be a whole number from ${min} to ${max}, not “${text}”`)
}

const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {
    services: {type: 'string', default: '50'},
    instances: {type: 'string', default: '100'},
    formation: {type: 'string', default: 'fifty'},
  },
})
const folder = positionals.length === 1 && positionals[0] !== undefined ? positionals[0] : fail('Name one folder to write to.')
const services = whole('services', values.services, 1, servicesMax)
const instances = whole('instances', values.instances, services, 100_000)

mkdirSync(folder, {recursive: true})
copyFileSync(new URL('./server.py', import.meta.url), join(folder, 'server.py'))
writeFileSync(join(folder, 'gilliam.yml'), manifestOf(values.formation, callGraph(services, instances)))
console.log(`${folder}: ${services} services, ${instances} instances. Next: cd ${folder} && gilliam create && gilliam deploy`)
