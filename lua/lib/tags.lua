-- stamps(first, count, ttl, news): the stamps of KEYS[first..], joined. Missing tags are made of ARGV[news..],
-- with NX, so that of two makers one wins; ttls are lengthened only below half, since that is announced.
local function stamps(first, count, ttl, news)
  local found = {}
  for i = 0, count - 1 do
    local tag = KEYS[first + i]
    local stamp = redis.call('GET', tag)
    if not stamp then
      stamp = ARGV[news + i]
      if ttl == '0' then redis.call('SET', tag, stamp) else redis.call('SET', tag, stamp, 'PX', ttl) end
    else
      local left = redis.call('PTTL', tag)
      if left >= 0 and ttl == '0' then
        redis.call('PERSIST', tag)
      elseif left >= 0 and left < tonumber(ttl) / 2 then
        redis.call('PEXPIRE', tag, ttl)
      end
    end
    found[i + 1] = stamp
  end
  return table.concat(found)
end
