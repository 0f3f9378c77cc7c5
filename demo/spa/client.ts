import { createPortico } from '@portico-bff/client'
import type { SpaConfig } from './types.ts'

/** What the demo was started with. */
export const demo = (await (await fetch('/demo.json')).json()) as SpaConfig
const { apiUrl, dpop } = demo

/*
 * Parts between `#region` and `#endregion`, here and in other files, are shown on the page beside what they do.
 */

// #region create
export const portico = createPortico({ apiOrigins: [apiUrl], dpop })
// #endregion
