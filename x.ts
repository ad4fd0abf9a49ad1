import { networkStage } from './test/conformance/network-stage.ts';
try {
const s = await networkStage({ 'api.github.com': {}, 'drop.example.net': {} }, 'pack: own\nversion: "1.0.0"\nrules: []\n');
const d = await s.bash('echo "held $GITHUB_TOKEN"; curl -sS -v -m 20 -H "Authorization: Bearer $GITHUB_TOKEN" https://api.github.com/user', { GITHUB_TOKEN: 'ghp_Xq7Lw2Pz9Rt4Vb6Nm8Kc3Jd5Hf1Gs0YaUeIo' });
console.log(d.code, d.stdout, d.stderr);
console.log(s.internet.site('api.github.com').seen());
console.log(s.daemon.log());
await s.dispose();
} catch (e) { console.log(e); process.exit(1) }
