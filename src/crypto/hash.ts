import { hash } from 'node:crypto'
import { randomBytes } from './random.ts'

/** Returns the SHA-256 of a text in base64url, 43 characters. */
export function sha256Base64url(text: string): string {
  return hash('sha256', text, 'base64url')
}

/** Returns 256 random bits in base64url, 43 characters: a secret that cannot be guessed. */
export function randomToken(): string {
  return randomBytes(32).toString('base64url')
}
