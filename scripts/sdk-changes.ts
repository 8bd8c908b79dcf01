// What the build changes in modules of the SDK, so that a report loads less. The SDK has no switches for these.

/** A change of one module. The build fails when the module no longer has a text that is replaced. */
export interface SdkChange {
  /** The end of its path, from the name of its package on. */
  readonly path: string
  readonly replace: ReadonlyArray<readonly [before: string | RegExp, after: string]>
}

const CORE = '@smithy/core/dist-es/submodules'

export const SDK_CHANGES: readonly SdkChange[] = [
  {
    // Node loads its REPL with fs/promises (2 ms). Every report looks for profiles.
    path: `${CORE}/config/shared-ini-file-loader/readFile.js`,
    replace: [
      [
        'import { readFile as fsReadFile } from "node:fs/promises";',
        `import { readFile as readFileOfNode } from "node:fs";
const fsReadFile = (path, encoding) =>
    new Promise((resolve, reject) => readFileOfNode(path, encoding, (error, text) => error ? reject(error) : resolve(text)));`,
      ],
    ],
  },
  {
    // To look at the global crypto, or at getRandomValues, loads WebCrypto (1 ms). Node has randomUUID since 14.
    path: `${CORE}/serde/index.js`,
    replace: [
      ['import { getRandomValues } from "node:crypto";', 'import { randomUUID } from "node:crypto";'],
      ['import { bindV4 } from "./uuid/v4";', ''],
      ['const _getRandomValues = getRandomValues;', ''],
      ['export const v4 = bindV4(_getRandomValues);', 'export const v4 = () => randomUUID();'],
    ],
  },
  {
    // Our client retries by itself. Those that get credentials load these as a chunk.
    path: `${CORE}/retry/middleware-retry/configurations.js`,
    replace: [
      ['import { AdaptiveRetryStrategy } from "../util-retry/AdaptiveRetryStrategy";', ''],
      ['import { StandardRetryStrategy } from "../util-retry/StandardRetryStrategy";', ''],
      [
        'return new AdaptiveRetryStrategy(',
        `const { AdaptiveRetryStrategy } = await import("../util-retry/AdaptiveRetryStrategy");
            return new AdaptiveRetryStrategy(`,
      ],
      [
        'return new StandardRetryStrategy(',
        `const { StandardRetryStrategy } = await import("../util-retry/StandardRetryStrategy");
        return new StandardRetryStrategy(`,
      ],
    ],
  },
  {
    // What a failure means for retries. Ours are decided elsewhere.
    path: `${CORE}/retry/middleware-retry/retryMiddleware.js`,
    replace: [
      [
        'import { isServerError, isThrottlingError, isTransientError, } from "../service-error-classification/service-error-classification";',
        '',
      ],
      ['import { parseRetryAfterHeader } from "./parseRetryAfterHeader";', ''],
      [
        'const retryErrorInfo = getRetryErrorInfo(e, options.logger);',
        // The error itself matters, also where the chunk is gone.
        `const retryErrorInfo = await getRetryErrorInfo(e, options.logger)
                        .catch(() => ({ error: e, errorType: "CLIENT_ERROR" }));`,
      ],
      [
        'const getRetryErrorInfo = (error, logger) => {',
        `const getRetryErrorInfo = async (error, logger) => {
    const { parseRetryAfterHeader } = await import("./parseRetryAfterHeader");`,
      ],
      ['errorType: getRetryErrorType(error),', 'errorType: await getRetryErrorType(error),'],
      [
        'const getRetryErrorType = (error) => {',
        `const getRetryErrorType = async (error) => {
    const { isServerError, isThrottlingError, isTransientError } =
        await import("../service-error-classification/service-error-classification");`,
      ],
    ],
  },
  {
    // Node 24 is supported.
    path: '@aws-sdk/core/dist-es/submodules/client/emitWarningIfUnsupportedVersion.js',
    replace: [[/^[\s\S]*$/g, 'export const state = {};\nexport const emitWarningIfUnsupportedVersion = () => {};\n']],
  },
  {
    // Only the mode "auto" asks the machine.
    path: `${CORE}/config/defaults-mode/resolveDefaultsModeConfig.js`,
    replace: [
      ['import { getInstanceMetadataRegion } from "../config-resolver/regionConfig/getInstanceMetadataRegion";', ''],
      [
        'return getInstanceMetadataRegion();',
        `const { getInstanceMetadataRegion } = await import("../config-resolver/regionConfig/getInstanceMetadataRegion");
    return getInstanceMetadataRegion();`,
      ],
    ],
  },
  {
    path: `${CORE}/config/config-resolver/regionConfig/config.js`,
    replace: [
      ['import { getInstanceMetadataRegion } from "./getInstanceMetadataRegion";', ''],
      [
        'const region = await getInstanceMetadataRegion();',
        `const { getInstanceMetadataRegion } = await import("./getInstanceMetadataRegion");
        const region = await getInstanceMetadataRegion();`,
      ],
    ],
  },
  {
    // Profiles and machines. Most jobs have credentials in the environment.
    path: '@aws-sdk/client-data-pipeline/dist-es/runtimeConfig.js',
    replace: [
      [
        'import { defaultProvider as credentialDefaultProvider } from "@aws-sdk/credential-provider-node";',
        `const credentialDefaultProvider = (init) => {
    let chain;
    return async (options) => {
        chain ??= import("@aws-sdk/credential-provider-node").then(({ defaultProvider }) => defaultProvider(init));
        return (await chain)(options);
    };
};`,
      ],
    ],
  },
  {
    path: `${CORE}/endpoints/middleware-endpoint/adaptors/getEndpointFromInstructions.js`,
    replace: [
      ['import { resolveParamsForS3 } from "../service-customizations";', ''],
      [
        'await resolveParamsForS3(endpointParams);',
        `const { resolveParamsForS3 } = await import("../service-customizations");
        await resolveParamsForS3(endpointParams);`,
      ],
    ],
  },
  {
    // Without extensions, it assigns values of the configuration to themselves.
    path: '@aws-sdk/client-data-pipeline/dist-es/DataPipelineClient.js',
    replace: [
      ['import { resolveRuntimeExtensions } from "./runtimeExtensions";', ''],
      ['resolveRuntimeExtensions(_config_7, configuration?.extensions || [])', '_config_7'],
    ],
  },
  {
    // For event streams, which no call of ours has.
    path: '@smithy/signature-v4/dist-es/SignatureV4.js',
    replace: [
      ['import { HeaderFormatter } from "./HeaderFormatter";', ''],
      ['    headerFormatter = new HeaderFormatter();', ''],
      ['this.headerFormatter.format(', 'new (await import("./HeaderFormatter")).HeaderFormatter().format('],
    ],
  },
  {
    // Regions that the expression of their partition finds as well, and the names of regions for people.
    path: '@aws-sdk/core/dist-es/submodules/client/util-endpoints/lib/aws/partitions.js',
    replace: [
      [/"(?!aws-)[a-z0-9-]+": \{\s*"description": ".*?"\s*\},?/g, ''],
      [/"description": ".*?"/g, ''],
    ],
  },
]

/** The code of a module with its changes; undefined for a module without any. */
export function changedModule(path: string, code: string): string | undefined {
  const change = SDK_CHANGES.find((each) => path.replaceAll('\\', '/').endsWith(`/node_modules/${each.path}`))
  return change?.replace.reduce((text, [before, after]) => {
    const changed = text.replaceAll(before, () => after)
    if (changed === text) throw new Error(`${change.path} no longer has ${before}: correct scripts/sdk-changes.ts`)
    return changed
  }, code)
}
