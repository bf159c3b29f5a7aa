-- @include lib/entry
-- @include lib/number
-- add(key, current, head, kind, by, there): add to the number of a value that counts under these stamps, and keep its
-- ttl. Else begin at 0, behind this head, or with ``there`` change nothing. Gives the reply, and with 'ok' the grace of the old value (nil: there was none).
local function add(key, current, head, kind, by, there)
  local data, grace = redis.call('GET', key), 0
  local now = data
  if current ~= '' or (data and string.byte(data, 1) == 192) then
    now, grace = usable(key, current)
    if now then
      head, now = string.sub(now, 1, 18 + #current), string.sub(now, 19 + #current)
    elseif data and not there then
      -- The old value counts no more; a sum that begins at 0 cannot fail, so nothing has to be put back.
      redis.call('DEL', key)
    end
  end
  if there and not now then return {'missing'} end
  kind = sum_kind(now, kind)
  if not kind then return {'text'} end
  local result
  if kind == 'int' then
    -- Lua's numbers do not hold 64 bits, so the server adds, in place.
    if now and head ~= '' then redis.call('SET', key, now, 'KEEPTTL') end
    local sum = redis.pcall('INCRBY', key, by)
    if type(sum) == 'table' then
      if now and head ~= '' then redis.call('SET', key, data, 'KEEPTTL') end
      return string.find(tostring(sum.err), 'overflow') and {'range'} or sum
    end
    result = redis.call('GET', key)
  else
    result = float_sum(now or '0', by)
    if not result then return {'range'} end
  end
  if kind == 'float' or head ~= '' then redis.call('SET', key, head .. result, 'KEEPTTL') end
  return {'ok', result}, now and grace
end
