// An authority of our own and certificates that it signs, made by openssl for one run.
import {execFileSync} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

export interface Certificates {
  /** Of the authority. */
  readonly ca: string
  /** For these names. */
  readonly signed: {readonly key: string; readonly cert: string}
  /** Signed by nobody else. */
  readonly selfSigned: {readonly key: string; readonly cert: string}
}

/** Why there can be none here; undefined when there can. */
export const whyNoCertificates = (): string | undefined => {
  try {
    execFileSync('openssl', ['version'], {stdio: 'ignore'})
    return undefined
  } catch {
    return 'openssl is not installed'
  }
}

export const makeCertificates = (...names: readonly string[]): Certificates => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-certificates-'))
  const openssl = (...args: string[]) => execFileSync('openssl', args, {cwd: folder, stdio: 'pipe'})
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const altNames = `subjectAltName=${names.map(name => `DNS:${name}`).join(',')}`
  try {
    openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=gilliam test authority')
    openssl('req', ...newKey, '-keyout', 'signed.key', '-out', 'signed.csr', '-subj', `/CN=${names[0]}`)
    writeFileSync(join(folder, 'names'), altNames)
    const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names']
    openssl('x509', '-req', '-in', 'signed.csr', '-out', 'signed.pem', ...signing)
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-keyout',
      'own.key',
      '-out',
      'own.pem',
      '-days',
      '2',
      '-subj',
      `/CN=${names[0]}`,
      '-addext',
      altNames,
    )
    return {
      ca: read('ca.pem'),
      signed: {key: read('signed.key'), cert: read('signed.pem')},
      selfSigned: {key: read('own.key'), cert: read('own.pem')},
    }
  } finally {
    rmSync(folder, {recursive: true, force: true})
  }
}
