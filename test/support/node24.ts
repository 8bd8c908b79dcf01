import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'

/** The Node for actions (`runs.using: node24`): the one of the tests if it has this version, else that of npm's package. */
export function node24(): string {
  if (process.versions.node.startsWith('24.')) return process.execPath
  try {
    const binary = createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/bin/node`)
    if (existsSync(binary)) return binary
  } catch {
    // Reported below.
  }
  throw new Error(
    `The action runs on Node 24; this is Node ${process.versions.node}, and there is no npm package with Node 24 for ` +
      `${process.platform} ${process.arch} here. Install Node 24, or run npm ci on Linux.`,
  )
}
