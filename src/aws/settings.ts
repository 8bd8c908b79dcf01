/** How to reach AWS: the same inputs for every action of this repository. */
export interface AwsSettings {
  /** From the input; else the environment's or the profile's. */
  readonly region: string | undefined
  /** A role to assume with the job's own OIDC token; undefined: the SDK's default credential chain. */
  readonly role: RoleSettings | undefined
}

export interface RoleSettings {
  readonly arn: string
  readonly sessionName: string
  readonly audience: string
}

/** Where the service exists (AWS General Reference, "AWS Data Pipeline endpoints"); it gets no new regions. */
export const DATA_PIPELINE_REGIONS = [
  'us-east-1',
  'us-west-2',
  'eu-west-1',
  'ap-northeast-1',
  'ap-southeast-2',
] as const

/** Whether the service is documented for a region. */
export function isKnownRegion(region: string): boolean {
  return (DATA_PIPELINE_REGIONS as readonly string[]).includes(region)
}
