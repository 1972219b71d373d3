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


{# An amount that is delivered in the smallest unit of its currency, such as cents or yen, in the currency itself. #}
{% macro major_units(amount, currency) -%}
    {%- set without_decimals = ['BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF',
        'XOF', 'XPF'] -%}
    {%- set with_three_decimals = ['BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'] -%}
    cast(
        cast({{ amount }} as decimal(18, 0)) * case
            when upper({{ currency }}) in ({{ text_list(without_decimals) }}) then cast(1 as decimal(4, 3))
            when upper({{ currency }}) in ({{ text_list(with_three_decimals) }}) then cast(0.001 as decimal(4, 3))
            else cast(0.01 as decimal(4, 3))
        end as decimal(18, 6)
    )
{%- endmacro %}
