import { describe, expect, test } from 'vitest'
import { isHashedName } from '../../../src/http/spa/hashed-names.ts'

describe('a hash in the name of a file is recognized', () => {
  test.each([
    // Vite (with Rollup and with Rolldown)
    'index-BxY12abc.js',
    'index-BHPoRRNZ.js',
    'step-up-C11wb9vD.js',
    'index-D-x_9aBc.css',
    'inter-latin-Dx4kXJAl.woff2',
    'index-BxY12abc.js.map',
    // SvelteKit
    'start.BxY12abc.js',
    // webpack, Create React App
    'main.1a2b3c4d5e6f7a8b9c0d.js',
    'main.a1b2c3d4.chunk.js',
    '812.a1b2c3d4.chunk.css',
    'main.a1b2c3d4.js.LICENSE.txt',
    '1a2b3c4d5e6f7a8b9c0d.svg',
    // Next.js
    'page-1a2b3c4d5e6f7a8b.js',
    // Parcel
    'index.a1b2c3d4.css',
    // Angular, esbuild
    'main-5QB7HWE2.js',
    'chunk-3XA2QOPL.js',
  ])('%s', (name) => {
    expect(isHashedName(name)).toBe(true)
  })
})

describe('a name without one is asked for again each time', () => {
  test.each([
    'index.html',
    'index.js',
    'sw.js',
    'favicon.ico',
    'app-settings.js',
    'jquery-3.7.1.min.js',
    'Admin-UserList.js',
    'my-MyModule.js',
    'photo-20240501.jpg',
    'photo-Summer24.jpg',
    'photo-version2.jpg',
    'chunk-OVERVIEW.js',
    'cafe-feed2024.png',
    'app-icons-2x.png',
    'BxY12abc',
    'BxY12abc.js',
    'a1b2c3d4.png',
    'report-BxY12abc',
    'index-BxY12ab.js',
    'index-BxY12abcd.js',
    'index-a1b2c3d.js',
    '12345678901234567890.png',
    '',
  ])('%s', (name) => {
    expect(isHashedName(name)).toBe(false)
  })
})
