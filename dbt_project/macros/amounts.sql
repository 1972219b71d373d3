{# Macros with which staging models make order lines and amounts of what systems export. #}


{# `quantity` if it is a whole number of units, and otherwise 1: hours or kilograms are sold as one unit. #}
{% macro whole_units(quantity) -%}
    case when {{ quantity }} > 0 and {{ quantity }} = floor({{ quantity }}) then cast({{ quantity }} as bigint) else 1 end
{%- endmacro %}


{# The price of one unit of a line that costs `amount`. It is rounded up to the four decimals that facts keep, so that what the
   rounding adds is a discount and not a surcharge. #}
{% macro unit_price_of(amount, units) -%}
    cast(ceil(round(10000 * cast({{ amount }} as double) / {{ units }}, 4)) / 10000 as decimal(18, 6))
{%- endmacro %}


{# The discount that makes `units` at `unit_price` cost `net_amount`. #}
{% macro discount_of(units, unit_price, net_amount) -%}
    cast(round({{ units }} * {{ unit_price }}, 2) as decimal(18, 2)) - {{ net_amount }}
{%- endmacro %}
