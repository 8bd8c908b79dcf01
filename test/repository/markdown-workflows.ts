import { dirname } from 'node:path'
import { parse } from 'yaml'
import { ACTION_FOLDERS } from '../../scripts/docs.ts'
import { readActionFile } from '../support/action-file.ts'
import type { WorkflowText } from './workflow-check.ts'

/** A fenced block of a Markdown file. */
interface Block {
  readonly language: string
  readonly text: string
  /** The number of its first line of text in the Markdown, from 1. */
  readonly line: number
  readonly indent: number
}

const FENCE = /^( *)(`{3,}|~{3,}) *([^\s`]*)/

/** The context of jobs: the task of the workflows in the docs, as an input, and other jobs. */
function aroundJobs(others: Iterable<string>): string {
  const jobs = [...others].map((key) => `  ${key}:\n    runs-on: ubuntu-latest\n    steps: [{ run: 'true' }]\n`)
  return `on:
  workflow_dispatch:
    inputs:
      task-id:
        required: true
      precondition:
        type: boolean
jobs:
${jobs.join('')}`
}

/** The context of a fragment: also the task as an entry of a matrix, and needed jobs, including those that it refers to. */
function aroundFragment(fragment: string): string {
  const needed = new Set(['needed', ...[...fragment.matchAll(/\bneeds\.([\w-]+)/g)].flatMap(([, key]) => key ?? [])])
  return `${aroundJobs(needed)}  job:
    needs: [${[...needed].join(', ')}]
    runs-on: ubuntu-latest
    strategy:
      matrix:
        task:
          - { task-id: a, pipeline-id: b, attempt-id: c, precondition: '', fields: { command: d } }
    steps:
`
}

/**
 * The workflows of a Markdown file. A ```yaml block is one of these:
 * - a mapping with `jobs`: a whole workflow;
 * - a mapping of jobs: placed in a workflow with the input `task-id` and the jobs that they need;
 * - a list: steps, placed in a job with the input `task-id` and the matrix `task`;
 * - a mapping of inputs of the action of this folder: placed under `with:` of a step that uses it, after steps with the
 *   ids that it refers to, and with the required inputs that it omits.
 *
 * @throws Error with the place of a block that is none of these, or that looks like a workflow and isn't marked as yaml
 */
export function workflowsIn(file: string, markdown: string): WorkflowText[] {
  return blocksIn(file, markdown).flatMap((block) => {
    if (/^ya?ml$/i.test(block.language)) return [workflowOf(file, block)]
    if (/^\s*(- )?(uses|runs-on):/m.test(block.text))
      throw new Error(`${file}:${block.line}: a workflow whose block is not marked as yaml would not be checked`)
    return []
  })
}

function blocksIn(file: string, markdown: string): Block[] {
  const blocks: Block[] = []
  const lines = markdown.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const open = FENCE.exec(lines[at] ?? '')
    if (!open) continue
    const [, indent = '', fence = '', language = ''] = open
    const close = new RegExp(`^ *${fence[0]}{${fence.length},} *$`)
    const end = lines.findIndex((line, index) => index > at && close.test(line))
    if (end < 0) throw new Error(`${file}:${at + 1}: the block is never closed`)
    const text = lines.slice(at + 1, end).map((line) => line.replace(new RegExp(`^ {0,${indent.length}}`), ''))
    blocks.push({ language, text: `${text.join('\n')}\n`, line: at + 2, indent: indent.length })
    at = end
  }
  return blocks
}

function workflowOf(file: string, block: Block): WorkflowText {
  const content: unknown = parse(block.text)
  if (isMapping(content) && 'jobs' in content) return wrapped(file, block, '', 0)
  if (Array.isArray(content)) return wrapped(file, block, aroundFragment(block.text), 6)
  if (isMapping(content) && Object.values(content).every((job) => isMapping(job) && 'runs-on' in job)) {
    const needed = Object.values(content).flatMap((job) => (job as { needs?: string | string[] }).needs ?? [])
    return wrapped(file, block, aroundJobs(new Set(needed.filter((key) => !(key in content)))), 2)
  }

  const folder = ACTION_FOLDERS.find((action) => action === dirname(file)) ?? '.'
  const { inputs } = readActionFile(folder)
  if (isMapping(content) && Object.keys(content).every((key) => key in inputs)) {
    const earlier = new Set([...block.text.matchAll(/\bsteps\.([\w-]+)/g)].map(([, id]) => id))
    const missing = Object.keys(inputs).filter((name) => inputs[name]?.required && !(name in content))
    const step = [
      ...[...earlier].flatMap((id) => [`- id: ${id}`, "  run: 'true'"]),
      `- uses: ./${folder}`,
      '  with:',
      ...missing.map((name) => `    ${name}: given`),
    ]
    return wrapped(file, block, `${aroundFragment(block.text)}${step.map((line) => `      ${line}\n`).join('')}`, 10)
  }
  throw new Error(
    `${file}:${block.line}: neither a workflow, nor jobs, nor a list of steps, nor inputs of the action in ${folder}`,
  )
}

function wrapped(file: string, block: Block, before: string, indent: number): WorkflowText {
  const lines = block.text.split('\n').map((line) => (line === '' ? line : ' '.repeat(indent) + line))
  return {
    file,
    text: before + lines.join('\n'),
    // Problems in the wrapper are caused by the fragment.
    line: (line) => Math.max(block.line, block.line + line - before.split('\n').length),
    column: (column) => Math.max(1, column - indent + block.indent),
  }
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
