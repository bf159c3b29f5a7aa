-- stamp(tag, new, ttl): the stamp of one tag. A missing stamp is made of ``new``; without ``new`` the result is nil.
-- A ttl is lengthened only when less than half is left: the server announces each change to the listeners.
local function stamp(tag, new, ttl)
  local found = redis.call('GET', tag)
  if not found then
    if not new then return nil end
    if ttl == '0' then redis.call('SET', tag, new) else redis.call('SET', tag, new, 'PX', ttl) end
    return new
  end
  if new then
    local left = redis.call('PTTL', tag)
    if left >= 0 and ttl == '0' then
      redis.call('PERSIST', tag)
    elseif left >= 0 and left < tonumber(ttl) / 2 then
      redis.call('PEXPIRE', tag, ttl)
    end
  end
  return found
end

-- stamps(first, count, ttl, news): the stamps of KEYS[first..], joined; missing stamps are made of ARGV[news..].
-- In a cluster whose tags are in other slots there are no such keys: then the client has read the stamps, which stand
-- in ARGV[news], joined. Behind them stand stamps that count no more (see overtaken).
local function stamps(first, count, ttl, news)
  if count == 0 then return ARGV[news] or '' end
  local found = {}
  for i = 0, count - 1 do found[i + 1] = stamp(KEYS[first + i], ARGV[news + i], ttl) end
  return table.concat(found)
end

-- known(first, read): the stamps of KEYS[first..], joined. Makes no stamp; with a missing stamp the result matches no
-- entry. Without such keys ARGV[read] has them, if anything.
local function known(first, read)
  if #KEYS < first then return ARGV[read] or '' end
  local found = {}
  for i = first, #KEYS do found[#found + 1] = stamp(KEYS[i]) or 'missing' end
  return table.concat(found)
end
