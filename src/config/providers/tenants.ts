import { z } from 'zod'
import { list, type Parser } from '../values/parsers.ts'
import type { Tenants } from './provider-config.ts'

/** Whether a text is the id of a tenant: a GUID. */
export const isTenantId = (text: string): boolean => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text)

/** Ids of tenants of Microsoft Entra ID. */
export const tenantIds: Parser<string[]> = list.transform((items, context) => {
  if (items.every(isTenantId)) {
    return items.map((item) => item.toLowerCase())
  }
  context.addIssue({ code: 'custom', message: 'must be ids of tenants (GUIDs), not their names' })
  return z.NEVER
})

/** The last part of Entra ID's issuers for users of all organizations. `consumers` is one tenant. */
const ofAllTenants = /\/(common|organizations)\/v2\.0$/

/** Whether an issuer stands for the users of many tenants, and is that of no token itself. */
export const isOfAllTenants = (issuer: string): boolean =>
  ofAllTenants.test(URL.parse(issuer)?.pathname ?? '')

/** The issuers of the allowed tenants, which are the ones in tokens; undefined where none are named. */
export function toTenants(
  issuer: string | undefined,
  allowed: readonly string[] | undefined,
): Tenants | undefined {
  if (issuer === undefined || allowed === undefined) return undefined
  const toIssuer = (tenant: string) => issuer.replace(ofAllTenants, `/${tenant}/v2.0`)
  return {
    template: toIssuer('{tenantid}'),
    byIssuer: new Map(allowed.map((tenant) => [toIssuer(tenant), tenant])),
  }
}
