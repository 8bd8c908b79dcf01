// Writes the tables of inputs and outputs into the READMEs, between markers, from action.yml.
// Usage: node scripts/docs.ts            writes them
//        node scripts/docs.ts --check    exit code 1 if a README has another table
import { readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')

/** The folders with an action.yml and a README.md. */
export const ACTION_FOLDERS = ['.', 'task-runner', 'poll-for-task', 'activity']

interface ActionFile {
  inputs: Record<string, { description: string; required?: boolean; default?: string }>
  outputs: Record<string, { description: string }>
}

/** How the description of an input ends whose default is its only useful value. */
export const DO_NOT_SET = ' Do not set.'

/** The README of a folder with its tables generated again. */
export function readmeOf(folder: string): string {
  const action = parse(readFileSync(join(root, folder, 'action.yml'), 'utf8')) as ActionFile
  const readme = readFileSync(join(root, folder, 'README.md'), 'utf8')
  const tables = {
    inputs: inputTable(action),
    'inputs-set-by-github': setByGitHubTable(action),
    outputs: outputTable(action),
  }
  return Object.entries(tables).reduce((text, [name, table]) => replaceBetween(text, name, table), readme)
}

function inputTable({ inputs }: ActionFile): string {
  const rows = Object.entries(inputs)
    .filter(([, { description }]) => !description.endsWith(DO_NOT_SET))
    .map(([name, input]) => {
      const defaultValue = input.required ? '**required**' : input.default === undefined ? '' : code(input.default)
      return `| ${code(name)} | ${defaultValue} | ${cell(input.description)} |`
    })
  return ['| input | default | meaning |', '| --- | --- | --- |', ...rows].join('\n')
}

function setByGitHubTable({ inputs }: ActionFile): string {
  const rows = Object.entries(inputs)
    .filter(([, { description }]) => description.endsWith(DO_NOT_SET))
    .map(([name, { default: value = '', description }]) => {
      return `| ${code(name)} | ${code(value)} | ${cell(description.slice(0, -DO_NOT_SET.length))} |`
    })
  return ['| input | value | meaning |', '| --- | --- | --- |', ...rows].join('\n')
}

function outputTable({ outputs }: ActionFile): string {
  const rows = Object.entries(outputs).map(([name, output]) => `| ${code(name)} | ${cell(output.description)} |`)
  return ['| output | meaning |', '| --- | --- |', ...rows].join('\n')
}

function code(text: string): string {
  return `\`${text}\``
}

function cell(text: string): string {
  return text.trim().replaceAll('|', '\\|').replace(/\s+/g, ' ')
}

function replaceBetween(text: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name}: made by "npm run docs" -->`, `<!-- ${name}: end -->`]
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`no markers ${begin} and ${end} in the README`)
  return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`
}

if (realpathSync(process.argv[1] ?? '') === fileURLToPath(import.meta.url)) {
  for (const folder of ACTION_FOLDERS) {
    const file = join(root, folder, 'README.md')
    const made = readmeOf(folder)
    if (made === readFileSync(file, 'utf8')) continue
    if (process.argv.includes('--check')) {
      console.error(`${file} is not what action.yml says; run "npm run docs".`)
      process.exitCode = 1
    } else {
      writeFileSync(file, made)
    }
  }
}
