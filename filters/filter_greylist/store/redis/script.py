"""What Redis carries out: one Lua script for a whole batch, so that each operation in it is atomic and cheap.

KEYS is empty: the names are made in the script, which is fine for a single server with replicas and not for a cluster.
ARGV is the prefix of all names, how many tuples a network may have, for how many there is room, the time, how many
addresses may be white or trapped, how many pairs or domains learned, and whether the same was sent before without a
reply (1, else 0): what may have been carried out already is then not counted twice. Then the operations one after the
other, each with its fixed number of arguments.

The reply is one string. Its first line has the server's time, by how many tuples the greylist grew, how many keys had
to be removed because they were of a wrong type, and the name of this set of data. Then a line per operation: ``!`` and
a text where one failed, which fails no other, ``#`` and a letter where there is no room.

Names below the prefix: ``g:`` tuples, ``n:`` the tuples of a client network (sorted by their end), ``c:`` how many
tuples end in a span of five minutes, ``w: t: s: p: d:`` the other kinds, ``x:`` and a letter the names of one of these
kinds but trap addresses, sorted by their end, by which they are counted, ``z:`` what was removed on purpose, ``log``
the latest changes of what is no tuple, ``id`` a name given by chance (a server that lost its data has another one),
``note:`` notes. A record is ``first passes expires blocked passed`` in decimal, for a tuple with its details behind.

All times are of the server's clock as `clock.ServerClock` follows it, and Redis is only told for how long to keep a
record: until it expired, and `GRACE` more. Until then `expires` decides.
"""

from __future__ import annotations

import hashlib
from typing import Final

from filter_greylist.store.redis.lua_entries import ENTRIES
from filter_greylist.store.redis.lua_tuples import PRELUDE, TUPLES

ARGUMENTS: Final = {"c": 4, "a": 6, "m": 8, "p": 8, "r": 8, "d": 2, "e": 2}
"""Operations and how many arguments each has: consult, attempt, merge, put, restore, delete, evict."""

_HEAL: Final = """
-- Keys of a wrong type are not ours: remove those that an operation has to do with.
local function fit(name, wanted)
  local found = redis.call('TYPE', name).ok
  if found ~= wanted and found ~= 'none' then
    redis.call('DEL', name)
    healed = healed + 1
  end
end

local function heal(op, i)
  if op == 'a' then
    fit(P .. 'g:' .. ARGV[i], 'string')
    fit(P .. 'n:' .. ARGV[i + 4], 'zset')
    return
  end
  local kind, name = ARGV[i], ARGV[i + 1]
  fit(P .. kind .. ':' .. name, 'string')
  fit(P .. 'x:' .. kind, 'zset')
  local value = kind == 'g' and redis.call('GET', P .. 'g:' .. name)
  local _, rest = parse(value)
  if rest then fit(P .. 'n:' .. group_of(rest), 'zset') end
  if kind == 'g' and (op == 'm' or op == 'p') then fit(P .. 'n:' .. group_of(ARGV[i + 7]), 'zset') end
end

local function wrong_type(error)
  local said = type(error) == 'table' and tostring(error.err) or tostring(error)
  return string.find(said, 'WRONGTYPE', 1, true)
end

"""

_LENGTHS: Final = ", ".join(f"{name} = {count}" for name, count in ARGUMENTS.items())

_LOOP: Final = """
local time = redis.pcall('TIME')
local out, i = {''}, 8
while i <= #ARGV do
  local op = ARGV[i]
  local ok, line = pcall(run[op], i + 1)
  if not ok and wrong_type(line) then
    heal(op, i + 1)
    ok, line = pcall(run[op], i + 1)
  end
  if not ok then
    line = '!' .. string.gsub(tostring(type(line) == 'table' and line.err or line), '%c', ' ')
  end
  out[#out + 1] = line
  i = i + 1 + length[op]
end
for span, more in pairs(change) do
  if more ~= 0 then
    local name = P .. 'c:' .. string.format('%.0f', span)
    local done = redis.pcall('INCRBY', name, more)
    local err = type(done) == 'table' and done.err or ''
    if wrong_type(err) or string.find(err, 'not an integer', 1, true) then
      redis.call('DEL', name)
      healed = healed + 1
    end
    redis.pcall('EXPIRE', name, keep((span + 2) * SPAN))
  end
end
time = time.err and '-' or time[1] .. '.' .. string.format('%06d', time[2])
local id = redis.pcall('GET', P .. 'id')
id = type(id) == 'string' and string.match(id, '^%x+$') or '-'
out[1] = string.format('%s %d %d %s', time, grown, healed, id)
return table.concat(out, '\\n')
"""

SCRIPT: Final = f"{PRELUDE}{TUPLES}{ENTRIES}{_HEAL}local length = {{{_LENGTHS}}}{_LOOP}"

SHA: Final = hashlib.sha1(SCRIPT.encode("ascii"), usedforsecurity=False).hexdigest()
