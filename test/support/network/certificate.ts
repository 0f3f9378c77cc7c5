import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'

export interface TestCertificate {
  keyFile: string
  certificateFile: string
  key: string
  certificate: string
}

/** Creates a self-signed certificate for localhost, valid for a day or more, in two files of the folder. */
export function createCertificate(folder: string, name: string, days = 1): TestCertificate {
  const [keyFile, certificateFile] = [join(folder, `${name}-key.pem`), join(folder, `${name}-cert.pem`)]
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', String(days)]
  const files = ['-keyout', keyFile, '-out', certificateFile]
  execFileSync('openssl', ['req', '-x509', ...kind, ...subject, ...files], { stdio: 'ignore' })
  const read = (file: string) => readFileSync(file, 'utf8')
  return { keyFile, certificateFile, key: read(keyFile), certificate: read(certificateFile) }
}

/** Lets this process trust a certificate, as NODE_EXTRA_CA_CERTS would. */
export function trust({ certificate }: TestCertificate): void {
  setDefaultCACertificates([...getCACertificates('default'), certificate])
}
