// Findings of cdk-nag that we know of and leave as they are, each with its reason, on the smallest construct that it holds for.
import type {PlatformStack} from './platform-stack.ts'
import type {StateStack} from './state-stack.ts'

export const acknowledge = (_: {readonly state: StateStack; readonly platform: PlatformStack}): void => undefined
