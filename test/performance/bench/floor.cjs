// The floor: the least that a Node program can do for one call. One SetTaskStatus request, signed by hand (AWS Signature
// Version 4), sent and checked, and one output. CommonJS, as a named import of node:http in an ES module loads all that its
// getters give, undici as well. Reads the variables that the SDK reads, and TASK_ID.
const { createHash, createHmac } = require('node:crypto')
const { appendFileSync } = require('node:fs')
const { request } = require('node:https')

const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL_DATA_PIPELINE, TASK_ID } = process.env
const endpoint = new URL(AWS_ENDPOINT_URL_DATA_PIPELINE)
const body = JSON.stringify({ taskId: TASK_ID, taskStatus: 'FINISHED' })
const hash = (text) => createHash('sha256').update(text).digest('hex')
const mac = (key, text) => createHmac('sha256', key).update(text).digest()

const time = `${new Date().toISOString().replace(/[-:]|\..*/g, '')}Z`
const date = time.slice(0, 8)
const headers = {
  'content-type': 'application/x-amz-json-1.1',
  host: endpoint.host,
  'x-amz-date': time,
  'x-amz-target': 'DataPipeline.SetTaskStatus',
}
const names = Object.keys(headers).join(';')
const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`)
const canonical = ['POST', '/', '', lines.join(''), names, hash(body)].join('\n')
const scope = `${date}/${AWS_REGION}/datapipeline/aws4_request`
const toSign = ['AWS4-HMAC-SHA256', time, scope, hash(canonical)].join('\n')
const key = [date, AWS_REGION, 'datapipeline', 'aws4_request'].reduce(mac, `AWS4${AWS_SECRET_ACCESS_KEY}`)
const signature = createHmac('sha256', key).update(toSign).digest('hex')
const authorization = `AWS4-HMAC-SHA256 Credential=${AWS_ACCESS_KEY_ID}/${scope}, SignedHeaders=${names}, Signature=${signature}`

request(endpoint, { method: 'POST', agent: false, headers: { ...headers, authorization } }, (response) => {
  let text = ''
  response.setEncoding('utf8').on('data', (chunk) => {
    text += chunk
  })
  response.on('end', () => {
    const isReported = response.statusCode === 200 && typeof JSON.parse(text) === 'object'
    appendFileSync(process.env.GITHUB_OUTPUT, `reported=${isReported}\n`)
    process.exit(isReported ? 0 : 1)
  })
}).end(body)
