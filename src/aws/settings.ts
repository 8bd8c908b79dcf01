/** How to reach AWS: the same inputs for every action. */
export interface AwsSettings {
  /** From the input; undefined for that of the environment or the profile. */
  readonly region: string | undefined
  /** A role to assume with the job's own OIDC token; undefined for the SDK's default credential chain. */
  readonly role: RoleSettings | undefined
}

export interface RoleSettings {
  readonly arn: string
  readonly sessionName: string
  readonly audience: string
  /** How long its sessions last. Default: as short as STS allows, as a report takes minutes at most. */
  readonly sessionSeconds?: number
}

/** The regions of the service (AWS General Reference, "AWS Data Pipeline endpoints"). It gets no new ones. */
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
