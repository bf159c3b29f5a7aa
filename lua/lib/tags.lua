-- stamp(tag, new, ttl): the stamp of one tag. A missing one is made of ``new``, with NX, so that of two makers
-- one wins, or stays missing (nil) without it. Ttls are lengthened only below half, since that is announced.
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

-- stamps(first, count, ttl, news): the stamps of KEYS[first..], joined; missing ones are made of ARGV[news..].
local function stamps(first, count, ttl, news)
  local found = {}
  for i = 0, count - 1 do found[i + 1] = stamp(KEYS[first + i], ARGV[news + i], ttl) end
  return table.concat(found)
end

-- known(first): the stamps of KEYS[first..], joined, none of them made; with a missing one it matches nothing.
local function known(first)
  local found = {}
  for i = first, #KEYS do found[#found + 1] = stamp(KEYS[i]) or 'missing' end
  return table.concat(found)
end
