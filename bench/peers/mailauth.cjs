// Judges one message again and again with the npm package mailauth, and prints the CPU time of one as JSON.
//
//     node mailauth.cjs FOLDER < {"message": base64, "texts": {name: text}, "count": n, "ip": …, "sender": …, "helo": …}
//
// FOLDER holds node_modules. The zone is in memory, so what is measured is the library's own work.

'use strict';

const path = require('path');
const { authenticate } = require(path.join(process.argv[2], 'node_modules', 'mailauth'));

const WARM = 20; // messages before the clock starts: the compiler of V8 has seen the code then

async function main() {
    const chunks = [];
    for await (const chunk of process.stdin) chunks.push(chunk);
    const given = JSON.parse(Buffer.concat(chunks).toString());
    const message = Buffer.from(given.message, 'base64');
    const resolver = async (name, kind) => {
        const text = kind === 'TXT' ? given.texts[name.toLowerCase()] : undefined;
        if (text === undefined) throw Object.assign(new Error(`no ${kind} of ${name}`), { code: 'ENOTFOUND' });
        return [[text]];
    };
    const options = { ip: given.ip, sender: given.sender, helo: given.helo, mta: 'mx.example.net', resolver, disableBimi: true };
    let result;
    for (let n = 0; n < Math.min(WARM, given.count); n++) result = await authenticate(message, options);
    const before = process.cpuUsage();
    for (let n = 0; n < given.count; n++) result = await authenticate(message, options);
    const spent = process.cpuUsage(before);
    process.stdout.write(
        JSON.stringify({
            ms: (spent.user + spent.system) / 1000 / given.count,
            dkim: result.dkim.results.map(each => each.status.result),
            spf: result.spf.status.result,
            dmarc: result.dmarc.status.result
        })
    );
}

main();
