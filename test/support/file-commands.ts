/**
 * The key-value pairs in the file of GITHUB_OUTPUT or GITHUB_STATE: `key=value` lines, or `key<<delimiter`, the value's
 * lines and the delimiter.
 */
export function parseFileCommands(text: string): Record<string, string> {
  const values: Record<string, string> = {}
  const lines = text.split(/\r?\n/)
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? ''
    if (line === '') continue
    const block = /^([^=<]+)<<(.+)$/.exec(line)
    if (block) {
      const end = lines.indexOf(block[2] ?? '', index + 1)
      if (end < 0) throw new Error(`no end of the value of ${block[1]}`)
      values[block[1] ?? ''] = lines.slice(index + 1, end).join('\n')
      index = end
      continue
    }
    const split = line.indexOf('=')
    if (split < 0) throw new Error(`not a file command: ${line}`)
    values[line.slice(0, split)] = line.slice(split + 1)
  }
  return values
}
