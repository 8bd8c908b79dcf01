import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'
import { bare, hang, late } from './faults.ts'
import { ISSUER, LocalOidc } from './oidc.ts'

async function ask(
  oidc: LocalOidc,
  { audience = 'sts.amazonaws.com', token = oidc.env()['ACTIONS_ID_TOKEN_REQUEST_TOKEN'] } = {},
) {
  const url = `${oidc.env()['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience=${encodeURIComponent(audience)}`
  return fetch(url, { headers: { authorization: `bearer ${token}` } })
}

test('a token is for the requested audience, and is valid for five minutes', async () => {
  const now = Date.parse('2026-03-01T12:00:00Z')
  await using oidc = await LocalOidc.start({ clock: () => now })
  const response = await ask(oidc, { audience: 'a & b' })
  const { value } = (await response.json()) as { value: string }
  expect(oidc.read(value)).toMatchObject({ iss: ISSUER, aud: 'a & b', iat: now / 1000, exp: now / 1000 + 300 })
  expect(oidc.tokensIssued).toBe(1)
  expect(oidc.requests).toEqual([{ audience: 'a & b', at: now, status: 200 }])
})

test('the toolkit of GitHub gets a token from it', async () => {
  await using oidc = await LocalOidc.start({ claims: { sub: 'repo:me/mine:ref:refs/heads/main' } })
  const script = "import { getIDToken } from '@actions/core'; await getIDToken('sts.amazonaws.com')"
  const env = { ...process.env, ...oidc.env() } // in a process of its own, since it reads the environment and prints
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { env })
  const token = /^::add-mask::(.+)$/m.exec(stdout)?.[1]
  expect(oidc.read(token ?? '')).toMatchObject({ aud: 'sts.amazonaws.com', sub: 'repo:me/mine:ref:refs/heads/main' })
})

test('a wrong request token gets none', async () => {
  await using oidc = await LocalOidc.start()
  expect((await ask(oidc, { token: 'wrong' })).status).toBe(401)
  expect(oidc.tokensIssued).toBe(0)
})

test('it fails once, is late, or hangs, as injected', async () => {
  const oidc = await LocalOidc.start()
  oidc.injectFault(bare(500), late(1), hang())
  expect([(await ask(oidc)).status, (await ask(oidc)).status]).toEqual([500, 200])
  const hung = ask(oidc).catch(() => 'closed')
  while (oidc.requests.length < 3) await new Promise(setImmediate)
  await oidc.stop()
  await expect(hung).resolves.toBe('closed')
})

test('only its own tokens are read', async () => {
  await using oidc = await LocalOidc.start()
  await using other = await LocalOidc.start()
  expect(oidc.read(other.token('a'))).toBeUndefined()
  expect(oidc.read('no.token')).toBeUndefined()
  const [header, , signature] = oidc.token('a').split('.')
  expect(oidc.read(`${header}.${Buffer.from('{}').toString('base64url')}.${signature}`)).toBeUndefined()
})
