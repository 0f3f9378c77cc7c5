import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ProviderProfile } from './profiles/profile.ts'
import { toProfileSettings } from './provider-pages.ts'
import { type ProviderScript, startScriptedProvider } from './scripted-provider.ts'

const folder = join(import.meta.dirname, 'profiles')

/** Every profile of the folder profiles/. */
export async function loadProfiles(): Promise<ProviderProfile[]> {
  const files = readdirSync(folder).filter((file) => file !== 'profile.ts')
  const modules = await Promise.all(
    files.sort().map((file) => import(join(folder, file)) as Promise<Record<string, ProviderProfile>>),
  )
  return modules.flatMap((module) => Object.values(module))
}

/** Settings that are addresses of the provider. */
const isAddress = (name: string) => name === 'OIDC_ISSUER' || name.startsWith('OAUTH_')

/** Moves an address to another origin. */
const moveTo = (origin: string, address: string) => origin + address.slice(new URL(address).origin.length)

/**
 * Starts a provider with the habits of this profile; returns it with its script, and with the settings of the
 * profile's page, whose addresses lead to it.
 */
export async function startProfile(profile: ProviderProfile) {
  const settings = toProfileSettings(profile)
  const idp = await startScriptedProvider({
    path: profile.issuerPath ?? moveTo('', settings.OIDC_ISSUER ?? 'https://idp.example.com'),
    paths: profile.paths,
  })
  const habits = profile.habits({ issuer: idp.issuer, origin: idp.org })
  const script: ProviderScript = {
    ...habits,
    userinfoEndpoint(req, res, next) {
      if (!idp.acceptsAccessToken(req)) return void res.status(401).json({ error: 'invalid_token' })
      return habits.userinfoEndpoint === undefined ? next() : habits.userinfoEndpoint(req, res, next)
    },
  }
  idp.script(script)
  const env = Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      name,
      value !== undefined && isAddress(name) && URL.canParse(value) ? moveTo(idp.org, value) : value,
    ]),
  )
  return { idp, script, env }
}
