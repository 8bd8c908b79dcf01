import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { filesIn } from '../../../src/activity/files.ts'
import { endOfLog } from '../../../src/activity/heartbeat-launcher.ts'
import { hideSecrets } from '../../../src/masking/known-secrets.ts'
import { windowFinder } from '../../support/secret-windows.ts'

const folder = mkdtempSync(join(tmpdir(), 'heartbeat-log-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'

test.each([0, 10, 20, 30, 40, 50, 60])('of a long log its last lines are shown, without secrets: %i', (shift) => {
  hideSecrets([SECRET])
  writeFileSync(filesIn(folder).log.path, `${`BEGIN the key ${SECRET} END\n`.repeat(1_000)}${'x'.repeat(shift)}\n`)
  const visible = endOfLog(filesIn(folder))
  expect(visible.length).toBeGreaterThan(5_000)
  expect(visible.length).toBeLessThanOrEqual(16_000)
  expect(visible).toMatch(/^(BEGIN the key \*{3} END\n)+(x+|BEGIN the key \*{3} END)$/)
  expect(windowFinder([SECRET])(visible)).toEqual([])
})
