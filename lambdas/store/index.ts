// The store's door: its types.
export type * from './types.ts'
