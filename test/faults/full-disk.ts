import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const AS_ROOT = process.getuid?.() === 0 ? [] : ['sudo', '-n']
const SIZE = '256k'

/** Whether a disk of its own can be mounted here: Linux, as root or with sudo. */
export function canMountDisk(): boolean {
  if (process.platform !== 'linux') return false
  try {
    using _ = new SmallDisk()
    return true
  } catch {
    return false
  }
}

/** A disk in memory that can be filled. */
export class SmallDisk implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'disk-'))

  constructor() {
    try {
      run('mount', '-t', 'tmpfs', '-o', `size=${SIZE},mode=1777`, 'tmpfs', this.folder)
    } catch (error) {
      rmSync(this.folder, { recursive: true })
      throw error
    }
  }

  /** Writes until nothing more fits. */
  fill(): void {
    const file = openSync(join(this.folder, 'filler'), 'a')
    try {
      for (;;) writeSync(file, Buffer.alloc(4096))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    } finally {
      closeSync(file)
    }
  }

  [Symbol.dispose](): void {
    // Lazily, as a process that is ending may still have a file open.
    run('umount', '--lazy', this.folder)
    rmSync(this.folder, { recursive: true })
  }
}

function run(...command: string[]): void {
  const [program = '', ...args] = [...AS_ROOT, ...command]
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw error ?? new Error(`${command.join(' ')}: ${stderr}`)
}
