// Secrets of instances as encrypted parameters of SSM, from which ECS takes them when it starts a task: they are in no request that ECS or CloudTrail shows.
// Owns how they are kept and removed; what they are called is definition.ts.
import {DeleteParametersCommand, PutParameterCommand, type SSMClient} from '@aws-sdk/client-ssm'
import {type Patience, patiently} from './throttle.ts'

/** DeleteParameters takes ten. */
const deleteMax = 10

export interface Parameters {
  /** Keeps a value under a name, in place of the one before. */
  readonly put: (name: string, value: string) => Promise<void>
  /** Those that are not there are none to remove. */
  readonly remove: (names: readonly string[]) => Promise<void>
}

export const createParameters = (client: SSMClient, patience: Patience): Parameters => ({
  put: async (name, value) => {
    // Standard parameters cost nothing and hold 4 KiB; larger ones are of the advanced kind by themselves.
    const command = new PutParameterCommand({Name: name, Value: value, Type: 'SecureString', Overwrite: true, Tier: 'Intelligent-Tiering'})
    await patiently(() => client.send(command), patience)
  },
  remove: async names => {
    for (let at = 0; at < names.length; at += deleteMax) {
      const command = new DeleteParametersCommand({Names: names.slice(at, at + deleteMax)})
      await patiently(() => client.send(command), patience)
    }
  },
})
