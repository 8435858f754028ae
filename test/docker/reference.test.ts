// Names of images: which registry they mean, so that each gets its own credentials and no other, and what is no name.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import {parseReference} from '#shared/domain/image.ts'

test('the registry of a name is the host that an engine asks', () => {
  const registries = {
    redis: 'docker.io',
    'library/redis:8': 'docker.io',
    'a__b/c--d.e/f': 'docker.io',
    'localhost/redis': 'localhost',
    'quay.io/coreos/etcd:v3': 'quay.io',
    [`registry:5000/web@sha256:${'a'.repeat(64)}`]: 'registry:5000',
    '[::1]:5000/web': '[::1]:5000',
    'REGISTRY/web': 'REGISTRY',
  }
  for (const [name, registry] of Object.entries(registries)) assert.equal(parseReference(name)?.registry, registry, name)
})

test('what is no name is told so: nothing of it gets into a path', () => {
  for (const name of ['', '..', 'a/../../containers', 'a//b', '/a', 'a/', './a', 'a?b=c', 'a b', 'a%2fb', 'A', 'a:b:c', 'a@sha256:1'])
    assert.equal(parseReference(name), undefined, name)
})
