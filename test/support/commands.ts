/** A workflow command, as the runner understands it. */
export interface Command {
  readonly name: string
  readonly properties: Readonly<Record<string, string>>
  readonly message: string
}

/**
 * The workflow commands in a step's output, found as actions/runner finds them (ActionCommand.cs): in each line, which
 * ends at \n, \r or both, `::name properties::message` at its start, or else `##[name properties]message` anywhere.
 */
export function commandsIn(output: string): Command[] {
  return output.split(/\r\n|\r|\n/).flatMap((line) => commandIn(line) ?? [])
}

/** A step's output as the log shows it: without the commands that mask a secret, which the runner removes. */
export function withoutMasks(output: string): { visible: string; masks: string[] } {
  const masks: string[] = []
  const visible = output.replace(/^::add-mask::(.*)(?:\r\n|\n|$)/gm, (_line, secret: string) => {
    masks.push(decode(secret))
    return ''
  })
  return { visible, masks }
}

function commandIn(line: string): Command | undefined {
  // .NET's TrimStart treats U+0085 as white space, JavaScript's \s does not.
  const current = /^[\s\u0085]*::([^\s:]+)(?:\s+(.*?))?::(.*)$/s.exec(line)
  if (current) return command(current[1], current[2], ',', current[3])
  const old = /##\[([^\s\]]+)(?:\s+([^\]]*))?\](.*)$/s.exec(line)
  if (old) return command(old[1], old[2], ';', old[3])
  return undefined
}

function command(name = '', properties = '', separator: string, message = ''): Command {
  const pairs = properties
    .split(separator)
    .filter((pair) => pair.includes('='))
    .map((pair) => [pair.slice(0, pair.indexOf('=')).trim(), decode(pair.slice(pair.indexOf('=') + 1))])
  return { name, properties: Object.fromEntries(pairs), message: decode(message) }
}

function decode(text: string): string {
  return text
    .replaceAll('%3A', ':')
    .replaceAll('%2C', ',')
    .replaceAll('%0D', '\r')
    .replaceAll('%0A', '\n')
    .replaceAll('%25', '%')
}
