// What the tests of this folder read a manifest with.
import assert from 'node:assert/strict'
import {formatProblems, type Manifest, parseManifest} from '#shared/manifest.ts'

/** A manifest without problems. */
export const parse = (text: string): Manifest => {
  const parsed = parseManifest(text)
  assert.ok(parsed.ok, parsed.ok ? '' : formatProblems('gilliam.yml', parsed.problems))
  return parsed.manifest
}

/** What is wrong with it, a line each. */
export const problems = (text: string): string[] => {
  const parsed = parseManifest(text)
  return parsed.ok ? [] : formatProblems('gilliam.yml', parsed.problems).split('\n')
}
