import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

/** A program and its first arguments, by which Node is started. */
export type NodeCommand = readonly [string, ...string[]]

/** Longer than any Node takes to print its version. */
const VERSION_LIMIT_MS = 10_000

/**
 * The commands that may start the Node that runs this step, best first. On some machines Node is wrapped by a script, or by a
 * loader for another C library, which `process.execPath` names then.
 */
export function nodeCommands(): NodeCommand[] {
  const commands: NodeCommand[] = [[process.execPath], ...ownCommand(), [process.argv0], ['node']]
  const seen = new Set<string>()
  return commands.filter((command) => {
    const key = JSON.stringify(command)
    return command[0] !== '' && !seen.has(key) && seen.add(key)
  })
}

/** The command that started this step, up to its script: with a loader before Node, if there is one. Linux only. */
function ownCommand(): NodeCommand[] {
  try {
    const [program, ...args] = readFileSync('/proc/self/cmdline', 'utf8').split('\0')
    const script = args.indexOf(process.argv[1] ?? '')
    return program && script >= 0 ? [[program, ...args.slice(0, script - process.execArgv.length)]] : []
  } catch {
    return []
  }
}

/** Whether a command starts the same major version of Node. Another one in PATH may be too old for the actions. */
export function isSameNode([program, ...args]: NodeCommand): boolean {
  const { stdout } = spawnSync(program, [...args, '--version'], {
    encoding: 'utf8',
    timeout: VERSION_LIMIT_MS,
    windowsHide: true,
  })
  const [major] = process.versions.node.split('.')
  return stdout?.startsWith(`v${major}.`) === true
}

/** A sentence for a machine whose Node is wrapped; empty on others. */
export function wrappedNode(): string {
  const isNode = /^node(\.exe)?$/i.test(basename(process.execPath))
  const isDirect = ownCommand().every(([program, ...args]) => args.length === 0 && basename(program) === 'node')
  if (isNode && isDirect) return ''
  const started = ownCommand()[0]?.join(' ') ?? process.argv0
  return ` Node is wrapped on this machine: it runs as ${process.execPath}, and ${started} started this step.`
}
