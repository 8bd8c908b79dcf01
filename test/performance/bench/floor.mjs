// The floor: one SetTaskStatus request, signed by hand (AWS Signature Version 4) and sent, with nothing but Node. What an
// action that does more is measured against. Reads the variables that the SDK reads, and TASK_ID.
import { createHash, createHmac } from 'node:crypto'
import { request } from 'node:http'

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

request(endpoint, { method: 'POST', headers: { ...headers, authorization } }, (response) => {
  response.resume().on('end', () => {
    process.exitCode = response.statusCode === 200 ? 0 : 1
  })
}).end(body)
