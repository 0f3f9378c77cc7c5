import { expect, test } from 'vitest'
import { toOriginForm } from '../../../src/http/wire/request-target.ts'

test.each([
  ['/', '/'],
  ['/api/login?return_to=%2F', '/api/login?return_to=%2F'],
  ['//', '//'],
  ['/%', '/%'],
  ['http://example.com', '/'],
  ['http://example.com?a=b', '/?a=b'],
  ['HTTPS://user:secret@example.com:8443/livez?a=b', '/livez?a=b'],
  ['http://[::1]/livez', '/livez'],
  ['http://example.com//livez', '//livez'],
  ['http://example.com/../livez', '/../livez'],
])('%s asks for %s', (target, path) => {
  expect(toOriginForm(target)).toBe(path)
})

test.each([
  '',
  '*',
  'http://[/',
  'http://',
  'http:///livez',
  'http://a b/livez',
  'http://example.com/#x',
  '/livez#x',
  '//a@[#x',
  '/\xa0',
  '/a b',
  '/a\nb',
  'livez',
  'example.com:443',
  'ftp://example.com/livez',
  'javascript:x',
])('%s asks for no path', (target) => {
  expect(toOriginForm(target)).toBe('*')
})
