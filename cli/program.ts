// The whole command line, put together. Owns the order of commands in the help; each command is in a file of its own.
import {Command} from 'commander'
import {addAgent} from './commands/agent.ts'
import {addAudit} from './commands/audit.ts'
import {addBackup} from './commands/backup.ts'
import {addCreate} from './commands/create.ts'
import {addDeploy} from './commands/deploy.ts'
import {addDestroy} from './commands/destroy.ts'
import {addDoctor} from './commands/doctor.ts'
import {addEnv} from './commands/env.ts'
import {addExec} from './commands/exec.ts'
import {addExecutor} from './commands/executor.ts'
import {addExecutors} from './commands/executors.ts'
import {addExplain} from './commands/explain.ts'
import {addFormations} from './commands/formations.ts'
import {addInit} from './commands/init.ts'
import {addLogin} from './commands/login.ts'
import {addLogout} from './commands/logout.ts'
import {addLogs} from './commands/logs.ts'
import {addPs} from './commands/ps.ts'
import {addRebalance} from './commands/rebalance.ts'
import {addRegistry} from './commands/registry.ts'
import {addRelease} from './commands/release.ts'
import {addReleases} from './commands/releases.ts'
import {addResolve} from './commands/resolve.ts'
import {addRollback} from './commands/rollback.ts'
import {addRoute} from './commands/route.ts'
import {addRoutes} from './commands/routes.ts'
import {addRun} from './commands/run.ts'
import {addScale} from './commands/scale.ts'
import {addSecret} from './commands/secret.ts'
import {addSpawn} from './commands/spawn.ts'
import {addStages} from './commands/stages.ts'
import {addStop} from './commands/stop.ts'
import {addToken} from './commands/token.ts'
import {addTraffic} from './commands/traffic.ts'
import {addTrust} from './commands/trust.ts'
import {addTypes} from './commands/types.ts'
import {addVolumes} from './commands/volumes.ts'
import type {World} from './session.ts'
import {usageMessage} from './usage.ts'

const commands = [
  addInit,
  addCreate,
  addFormations,
  addDeploy,
  addReleases,
  addRelease,
  addRollback,
  addEnv,
  addSecret,
  addScale,
  addTraffic,
  addSpawn,
  addRun,
  addExec,
  addPs,
  addStop,
  addVolumes,
  addBackup,
  addTypes,
  addExplain,
  addLogs,
  addRoute,
  addRoutes,
  addResolve,
  addExecutors,
  addExecutor,
  addRebalance,
  addAgent,
  addDoctor,
  addRegistry,
  addDestroy,
  addStages,
  addLogin,
  addLogout,
  addToken,
  addTrust,
  addAudit,
] as const

/** Errors of usage and output go where `world` says; nothing here ends the process. */
const configure = (command: Command, world: World): void => {
  command.exitOverride().configureOutput({
    writeOut: world.out,
    writeErr: world.err,
    outputError: text => world.err(`${world.paintErr('red', 'gilliam:')} ${usageMessage(command, text)}`),
    getErrHelpWidth: () => world.columns,
  })
  command.showSuggestionAfterError(true)
  for (const child of command.commands) configure(child, world)
}

export const createProgram = (world: World): Command => {
  const program = new Command('gilliam')
    .description('Deploy, scale and route systems of many small services')
    .version(world.version, '--version', 'print the version')
    .option('--stage <name>', 'the stage to work with')
    .option('-f, --formation <name>', 'the formation to work with')
    .option('--json', 'print JSON')
    .enablePositionalOptions()
    .helpCommand('help [command]', 'show help')
  for (const add of commands) add(program, world)
  configure(program, world)
  return program
}
