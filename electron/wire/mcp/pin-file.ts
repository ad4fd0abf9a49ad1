import { z } from 'zod';
import type { Json, JsonObject } from '../../core/brand.ts';
import { isJsonObject } from '../json.ts';
import { mcpServerSchema } from './envelope.ts';

const object = z.custom<JsonObject>((value) => isJsonObject(value as Json | undefined));
/** What the pinned tools of one server are kept as. */
export const pinFileSchema = z.strictObject({
  v: z.literal(1),
  server: mcpServerSchema,
  tools: z.record(
    z.string(),
    z.strictObject({
      hash: z.string().regex(/^[0-9a-f]{64}$/),
      definition: z.strictObject({
        name: z.string(),
        title: z.string().nullable(),
        description: z.string().nullable(),
        inputSchema: object,
        outputSchema: object.nullable(),
        annotations: object.nullable(),
      }),
    }),
  ),
});
