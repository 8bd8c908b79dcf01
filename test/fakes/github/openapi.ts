import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'

/** GitHub's OpenAPI descriptions in `@octokit/openapi`: github.com, and GitHub Enterprise Server. */
export type DescriptionName = 'api.github.com' | 'ghec' | 'ghes-3.17' | 'ghes-3.18' | 'ghes-3.19'

type Schema = Record<string, unknown>
interface Description {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema>; responses: Record<string, Response> }
}
interface Operation {
  operationId: string
  responses: Record<string, Response | { $ref: string }>
}
interface Response {
  content?: Record<string, { schema: Schema }>
}

/** What a response has that GitHub's description does not allow. */
export class ResponseViolation extends Error {
  override name = 'ResponseViolation'
}

/**
 * Statuses of any operation that the description has for few of them: they come before the operation itself
 * (https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api), with the body of a basic error.
 */
const unmentioned = new Set([401, 403, 404, 410, 429])

/** The problems of a response's body; none where it is as described. */
type Check = (body: unknown) => string[]

const loaded = new Map<DescriptionName, Promise<(operationId: string, status: number) => Check>>()

/**
 * Throws a ResponseViolation if `body` (as parsed from the wire; undefined where there is none) is not what GitHub's
 * description has for the operation with this status. Stricter than the description in one way: a property
 * that it does not name is a violation, as a misspelt optional one would pass otherwise. The first call of a process
 * reads the description (13 MB, about a quarter of a second); the next ones take microseconds.
 */
export async function assertResponse(
  operationId: string,
  status: number,
  body: unknown,
  description: DescriptionName = 'api.github.com',
): Promise<void> {
  const checks = loaded.get(description) ?? load(description)
  loaded.set(description, checks)
  const problems = (await checks)(operationId, status)(body)
  if (problems.length) throw new ResponseViolation(`${operationId} ${status}: ${problems.join('; ')}`)
}

async function load(name: DescriptionName) {
  // Not the dereferenced variant: it is 73 MB and takes over a second to parse, this one 13 MB and an eighth of it.
  const file = createRequire(import.meta.url).resolve(`@octokit/openapi/generated/${name}.json`)
  const description = JSON.parse(await readFile(file, 'utf8')) as Description
  const operations = new Map<string, Operation>()
  for (const methods of Object.values(description.paths)) {
    for (const operation of Object.values(methods)) operations.set(operation.operationId, operation)
  }
  const ajv = new Ajv({ strict: false, allErrors: true })
  // A CommonJS default export: the function itself at run time, an object around it in its types.
  ;(addFormats as unknown as (ajv: Ajv) => void)(ajv)
  const compiled = new Map<string, Check>()
  return (operationId: string, status: number) => {
    const key = `${operationId} ${status}`
    const check = compiled.get(key) ?? checkOf(ajv, responseSchema(description, operations, operationId, status))
    compiled.set(key, check)
    return check
  }
}

function checkOf(ajv: Ajv, schema: Schema | undefined): Check {
  if (!schema) return (body) => (body === undefined ? [] : ['the response has a body'])
  const validate = ajv.compile(schema)
  return (body) => {
    if (validate(body)) return []
    return (validate.errors ?? []).map((error) => {
      const detail = 'additionalProperty' in error.params ? ` (${String(error.params['additionalProperty'])})` : ''
      return `${error.instancePath || 'the response'} ${error.message}${detail}`
    })
  }
}

/** The schema of a response's body, undefined where it has none. */
function responseSchema(
  description: Description,
  operations: Map<string, Operation>,
  operationId: string,
  status: number,
): Schema | undefined {
  const operation = operations.get(operationId)
  if (!operation) throw new ResponseViolation(`GitHub's description has no operation ${operationId}`)
  const found = operation.responses[status]
  if (!found) {
    const basicError = description.components.schemas['basic-error']
    if (unmentioned.has(status) && basicError) return selfContained(basicError, description)
    throw new ResponseViolation(`${operationId} has no status ${status}`)
  }
  const response = '$ref' in found ? (resolve(found.$ref, description) as Response) : found
  const json = response.content?.['application/json']
  return json && selfContained(json.schema, description)
}

function resolve(reference: string, description: Description): unknown {
  let found: unknown = description
  for (const part of reference.replace(/^#\//, '').split('/')) found = (found as Record<string, unknown>)[part]
  return found
}

/** The schema with its references resolved, OpenAPI 3.0's `nullable` as in JSON Schema, and objects closed. */
function selfContained(schema: unknown, description: Description, composed = false): Schema {
  const { $ref } = schema as { $ref?: string }
  if ($ref) return selfContained(resolve($ref, description), description, composed)
  const result: Schema = {}
  for (const [keyword, value] of Object.entries(schema as Schema)) {
    if (keyword === 'example' || keyword === 'examples' || keyword === 'description' || keyword === 'nullable') continue
    if (keyword === 'properties') {
      result['properties'] = Object.fromEntries(
        Object.entries(value as Schema).map(([name, property]) => [name, selfContained(property, description)]),
      )
    } else if (keyword === 'allOf' || keyword === 'anyOf' || keyword === 'oneOf') {
      result[keyword] = (value as unknown[]).map((part) => selfContained(part, description, true))
    } else if ((keyword === 'items' || keyword === 'additionalProperties') && typeof value === 'object') {
      result[keyword] = selfContained(value, description)
    } else {
      result[keyword] = value
    }
  }
  if ((schema as Schema)['nullable'] === true) {
    if (typeof result['type'] === 'string') result['type'] = [result['type'], 'null']
    // The description's enums omit null where it is allowed, as in a job's conclusion.
    if (Array.isArray(result['enum'])) result['enum'] = [...result['enum'], null]
  }
  if (!composed && result['properties'] && result['additionalProperties'] === undefined) {
    result['additionalProperties'] = false
  }
  return result
}
