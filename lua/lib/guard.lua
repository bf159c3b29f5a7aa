-- @include lib/generation
-- The text of a guarded script is this file, the script as a function, and a call of guarded(). Behind the KEYS of the
-- script stand the guards, one for each guarded key, and then the tags. An operand has a second key behind its guard,
-- which is never written. Behind the ARGV of the script stand four words, one new stamp a tag, and a spec. The words
-- are the guard that was seen ('' none), 8 new bytes for a new guard, its ttl, and the ttl of tags. The spec, as in
-- '2 1 w1:1', has the number of guards (with second keys), the number of tags, and a description of each guarded key:
-- role, index, flags, tags. In '2 1s1 w1:1' (a cluster whose tags are in other slots) there are no keys of tags: the
-- stamps that the client has read stand in the place of the new ones, and behind them, for each guarded key, the guard
-- that was there before the client read the stamps once more. Roles: r read, w written, f replaced and m merged if the guard is the guard that was seen.
-- Flags: l loads itself, p loads itself but cannot now, a all content is replaced.

-- taken(list, count): the last items of a list, count of them, which the list loses.
local function taken(list, count)
  local size, out = #list, {}
  for i = 1, count do out[i] = list[size - count + i] end
  for i = size, size - count + 1, -1 do list[i] = nil end
  return out
end

-- settle(ttl, key, guard, found, mark, filled, whole): write the guard, with the ttl of its collection.
local function settle(ttl, key, guard, found, mark, filled, whole)
  local left = redis.call('PTTL', key)
  local flag = filled and (left == -2 and 'E' or 'L') or ''
  if left ~= -2 then
    if left >= 0 then
      redis.call('SET', guard, mark .. flag, 'PX', math.max(left, 1))
    else
      redis.call('SET', guard, mark .. flag)
    end
  elseif found == '' and flag == '' then
    redis.call('DEL', guard)
  elseif found ~= '' and not whole then
    redis.call('SET', guard, mark .. flag, 'KEEPTTL')
  elseif ttl == '0' and flag == 'E' then
    redis.call('SET', guard, mark .. flag)
  else
    redis.call('SET', guard, mark .. flag, 'PX', ttl == '0' and 86400000 or ttl)
  end
end

-- guarded(op): run the script on collections that are alive only, and write the guard of the collection that changes.
local function guarded(op)
  local spec = taken(ARGV, 1)[1]
  local keys, tags, apart = string.match(spec, '^(%d+) (%d+)s?(%d*)')
  local dead = apart ~= '' and taken(ARGV, tonumber(apart))
  local news, seen, tag, beside = taken(ARGV, tonumber(tags)), taken(ARGV, 4), nil, nil
  tag = dead and {} or taken(KEYS, tonumber(tags))
  beside = taken(KEYS, tonumber(keys))
  local at, number, written = 0, 0, nil
  for role, index, flags, list in string.gmatch(spec, '(%l)(%d+)(%l*):([%d,]*)') do
    local key, guard = KEYS[tonumber(index)], beside[at + 1]
    local found, current = redis.call('GET', guard) or '', ''
    for n in string.gmatch(list, '%d+') do
      local one = dead and news[tonumber(n)] or stamp(tag[tonumber(n)], role ~= 'r' and news[tonumber(n)] or nil, seen[4])
      current = current .. (one or 'missing')
    end
    local live, wants = alive(found, current), string.find(flags, 'l')
    number = number + 1
    if dead and not live and found ~= '' and found ~= dead[number] then return {'stale', tostring(number), found} end
    if role == 'r' then
      if wants and not (live and loaded(found, current, key)) then return {'unloaded', index} end
      if not live then KEYS[tonumber(index)] = beside[at + 2] end
      at = at + 2
    else
      if role ~= 'w' and (not live or string.sub(found, 1, #current + 8) ~= seen[1]) then return {'refused'} end
      if not live then
        redis.call('UNLINK', key, guard)
        found = ''
      end
      local full, whole = loaded(found, current, key), string.find(flags, 'a')
      if wants and not whole and role == 'w' and not full then return {'unloaded', index} end
      -- A new mark refuses data read from the source before: all was replaced, or single writes came in first.
      local same = found ~= '' and not whole and (full or not string.find(flags, 'p'))
      local mark = same and string.sub(found, 1, #current + 8) or current .. seen[2]
      local filled = full or (whole and string.find(flags, '[lp]'))
      written = {key, guard, found, mark, filled, whole}
      at = at + 1
    end
  end
  local reply = op()
  if written then settle(seen[3], unpack(written, 1, 6)) end
  return reply
end
